"""Clients that are slow on purpose, at every stage of a connection: ours ends each in its time, grpclib waits for ever.

All limits are scaled down; how long they are by default stands in `runtime/grpc/limits.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from itertools import cycle
from typing import Any

import pytest
from hpack import Decoder

from firewalker.runtime.grpc.arrivals import raise_open_files
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.wire import Wire
from tests.service.grpc.abuse.floods import HEADERS, PING, PREFACE, SETTINGS, Heads, window_update
from tests.service.grpc.abuse.target import GRPCLIB, POUR, serve
from tests.service.grpc.doors import RECORD, TRACK, TrackStepsRequest
from tests.service.grpc.raw import frame, framed
from tests.support.waiting import until

pytestmark = pytest.mark.alone

QUICK = Limits(opening_s=0.3, frame_s=0.3, idle_s=0.3, age_s=0.3, age_grace_s=0.1, unread_s=0.3, closing_s=0.2)
QUICK_RULE = Rule(Caller.PUBLIC, body_s=0.3, idle_s=0.3)
WAIT_S = 5.0
PATIENCE_S = 1.0
"""How long the control is watched: three times what ours takes."""

SMALL = 0.02


class Slow:
    """A connection to be slow on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def drip(self, data: bytes) -> None:
        """A byte now and then."""
        for at in range(len(data)):
            self.writer.write(data[at : at + 1])
            await asyncio.sleep(SMALL)

    async def end(self) -> bytes:
        """What came until the server closed."""
        try:
            return await self.reader.read()
        except OSError:
            return b""

    async def reset(self) -> bytes:
        """What came until a stream was over: its reset follows the status."""
        heard = b""
        while b"\x00\x00\x04\x03\x00\x00\x00\x00\x01" not in heard:
            heard += (chunk := await self.reader.read(65_536))
            if not chunk:
                break
        return heard


async def says_nothing(slow: Slow) -> bytes:
    return await slow.end()


async def drips_the_preface(slow: Slow) -> bytes:
    dripping = asyncio.create_task(slow.drip(PREFACE * 20))
    try:
        return await slow.end()
    finally:
        dripping.cancel()


async def never_ends_a_header_block(slow: Slow) -> bytes:
    slow.writer.write(PREFACE + Heads(TRACK).open(flags=0)[1])
    return await slow.end()


async def drips_headers(slow: Slow) -> bytes:
    slow.writer.write(PREFACE)
    _, head = Heads(TRACK).open()
    dripping = asyncio.create_task(slow.drip(head))
    try:
        return await slow.end()
    finally:
        dripping.cancel()


async def drips_a_frame(slow: Slow) -> bytes:
    slow.writer.write(PREFACE + frame(0x2A, 0, 0, b"x" * 300)[:9])
    dripping = asyncio.create_task(slow.drip(b"x" * 290))
    try:
        return await slow.end()
    finally:
        dripping.cancel()


async def _drips_a_body(slow: Slow, path: str) -> bytes:
    _, head = Heads(path).open()
    slow.writer.write(PREFACE + head + frame(0, 0, 1, framed(b"", length=1_000)))

    async def crumbs() -> None:
        for _ in range(250):
            slow.writer.write(frame(0, 0, 1, b"x"))
            await asyncio.sleep(SMALL)

    dripping = asyncio.create_task(crumbs())
    try:
        return await slow.reset()
    finally:
        dripping.cancel()


async def drips_the_body_of_a_unary_call(slow: Slow) -> bytes:
    return await _drips_a_body(slow, RECORD)


async def drips_a_message_of_a_stream(slow: Slow) -> bytes:
    return await _drips_a_body(slow, TRACK)


async def has_no_calls(slow: Slow) -> bytes:
    slow.writer.write(PREFACE)
    return await slow.end()


async def stays_for_ever(slow: Slow) -> bytes:
    _, head = Heads(TRACK).open()
    slow.writer.write(PREFACE + head)

    async def chatter() -> None:
        for _ in range(250):
            slow.writer.write(frame(0, 0, 1, framed(b"")))
            await asyncio.sleep(SMALL)

    chattering = asyncio.create_task(chatter())
    try:
        return await slow.end()
    finally:
        chattering.cancel()


async def reads_nothing(slow: Slow) -> bytes:
    """The windows are wide open, so nothing but TCP holds the server back."""
    transport = slow.writer.transport
    transport.pause_reading()  # type: ignore[attr-defined]
    _, head = Heads(TRACK).open()
    wide = frame(SETTINGS, 0, 0, (4).to_bytes(2, "big") + (2**31 - 1).to_bytes(4, "big")) + window_update(0, 2**30)
    body = framed(TrackStepsRequest(message_id=POUR).SerializeToString())
    slow.writer.write(PREFACE + wide + head + frame(0, 0, 1, body))
    # A reset is seen when writing; these are few enough to be no flood.
    for _ in range(300):
        await asyncio.sleep(SMALL)
        slow.writer.write(frame(PING, 1, 0, b"an answer"[:8]))
        if transport.is_closing():
            return b""
    raise TimeoutError


def status_in(heard: bytes) -> str | None:
    """The `grpc-status` in what a server has sent, frame by frame."""
    decoder = Decoder()
    while len(heard) >= 9:
        size, kind = int.from_bytes(heard[:3], "big"), heard[3]
        if kind == HEADERS:
            headers = dict(decoder.decode(heard[9 : 9 + size], raw=True))
            if b"grpc-status" in headers:
                return headers[b"grpc-status"].decode()
        heard = heard[9 + size :]
    return None


Manner = Callable[[Slow], Coroutine[Any, Any, bytes]]
MANNERS: list[Manner] = [
    says_nothing,
    drips_the_preface,
    never_ends_a_header_block,
    drips_headers,
    drips_a_frame,
    drips_the_body_of_a_unary_call,
    drips_a_message_of_a_stream,
    has_no_calls,
    stays_for_ever,
    reads_nothing,
]


Connect = Callable[..., Awaitable[Slow]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    opened: list[Slow] = []

    async def connect(port: int, address: str = "127.0.0.2") -> Slow:
        opened.append(Slow(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))))
        return opened[-1]

    yield connect
    for slow in opened:
        slow.writer.transport.abort()


async def all_at_once(port: int, connect: Connect, within_s: float) -> dict[str, bytes]:
    """What those heard who were ended in time, each on a connection of its own: they do not touch each other."""
    connections = [await connect(port) for _ in MANNERS]
    slow = {manner.__name__: asyncio.create_task(manner(one)) for manner, one in zip(MANNERS, connections, strict=True)}
    done, waiting = await asyncio.wait(slow.values(), timeout=within_s)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for one in connections:
        one.writer.transport.abort()
    return {name: task.result() for name, task in slow.items() if task in done}


async def test_grpclib_waits_for_ever(connect: Connect) -> None:
    """The control."""
    server, port = await serve(GRPCLIB, QUICK, QUICK_RULE)
    assert await all_at_once(port, connect, PATIENCE_S) == {}
    server.close()
    await server.wait_closed()


@pytest.mark.requirement("NET-07", "NET-09", "NET-20")
@pytest.mark.parametrize("wire", list(Wire), ids=lambda wire: wire.value)
async def test_what_is_slow_on_purpose_is_ended(wire: Wire, connect: Connect) -> None:
    server, port = await serve(wire.value, QUICK, QUICK_RULE)
    heard = await all_at_once(port, connect, WAIT_S)
    assert set(heard) == {manner.__name__ for manner in MANNERS}
    for manner in (drips_the_body_of_a_unary_call, drips_a_message_of_a_stream):
        # DEADLINE_EXCEEDED; the connection is worth keeping.
        assert status_in(heard[manner.__name__]) == "4"
    await until(lambda: not server.open_calls and not server.open_connections)
    await server.close()


@pytest.mark.requirement("NET-09")
async def test_a_thousand_slow_ones_take_no_place_for_long(connect: Connect) -> None:
    limits = Limits(opening_s=0.5, frame_s=0.5, connections=400)
    raise_open_files()
    server, port = await serve(Wire.FAST.value, limits, QUICK_RULE)
    # More than 400 are dropped as they come.
    slow = [await connect(port) for _ in range(1_000)]
    # By turns: one time limit each.
    manners = cycle((says_nothing, never_ends_a_header_block))
    async with asyncio.timeout(20):
        await asyncio.gather(*(manner(one) for manner, one in zip(manners, slow, strict=False)), return_exceptions=True)
    await until(lambda: not server.open_connections)
    # Every place is free again, for those who have not behaved like that.
    _, head = Heads(RECORD).open()
    good = await connect(port, "127.0.0.3")
    good.writer.write(PREFACE + head + frame(0, 1, 1, framed(b"")))
    heard = b""
    async with asyncio.timeout(WAIT_S):
        while status_in(heard) is None:
            heard += (chunk := await good.reader.read(65_536))
            assert chunk
    assert status_in(heard) == "0"
    await server.close()
