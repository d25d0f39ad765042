"""The hazards of plain grpclib, shown on it: each is what a deviation in the README of runtime/grpc is for.

Were one of these tests to fail, grpclib had been mended and the deviation could go. That ours withstands is shown where the
README says: `test_hostile.py`, `test_hostile_floods.py`, `test_calls.py`, `test_compression.py`, `test_drain.py`, `test_channel.py`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.exceptions import StreamTerminatedError

from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.policy import Caller, Rule
from tests.service.grpc.abuse.target import GRPCLIB, serve
from tests.service.grpc.doors import RECORD, TRACK, RecordStepsRequest, RecordStepsResponse
from tests.service.grpc.raw import RawClient, frame, framed, grpc_headers

UNKNOWN = "2"
BIG = 2**28
GOAWAY = frame(7, 0, 0, (2**31 - 1).to_bytes(4, "big") + bytes(4))


@pytest.fixture
async def plain() -> AsyncIterator[tuple[Any, RawClient]]:
    server, port = await serve(GRPCLIB, Limits(), Rule(Caller.PUBLIC))
    async with RawClient(port) as client:
        yield server, client
    server.close()
    await server.wait_closed()


async def answers(client: RawClient) -> bool:
    """Whether a good call on the same connection still works."""
    stream = await client.request(grpc_headers(RECORD), framed(b""))
    return (await client.ended(stream)).get("grpc-status") == "0"


@pytest.mark.requirement("M1")
async def test_any_announced_size_is_believed(plain: tuple[Any, RawClient]) -> None:
    _, client = plain
    stream = await client.request(grpc_headers(RECORD), framed(b"x" * 1000, length=BIG), end=False)
    # Whoever was refused by now would be known to be.
    assert await answers(client)
    assert not client.is_over(stream)


@pytest.mark.requirement("M2")
async def test_an_unknown_frame_ends_the_connection(
    plain: tuple[Any, RawClient], caplog: pytest.LogCaptureFixture
) -> None:
    _, client = plain
    assert await answers(client)
    with caplog.at_level(logging.CRITICAL):
        await client.write(frame(0xBA, 0, 0, b"grease"))
        await client.until(client.closed.is_set)


@pytest.mark.requirement("M3")
async def test_an_expired_deadline_is_unknown(plain: tuple[Any, RawClient]) -> None:
    _, client = plain
    stream = await client.request(grpc_headers(RECORD, ("grpc-timeout", "0n")), framed(b""))
    assert (await client.ended(stream))["grpc-status"] == UNKNOWN


@pytest.mark.requirement("M4")
async def test_a_compressed_message_is_unknown(plain: tuple[Any, RawClient]) -> None:
    _, client = plain
    stream = await client.request(grpc_headers(RECORD, ("grpc-encoding", "gzip")), framed(b"x", flag=1))
    assert (await client.ended(stream))["grpc-status"] == UNKNOWN


@pytest.mark.requirement("M5")
async def test_a_request_without_a_path_is_not_answered(plain: tuple[Any, RawClient]) -> None:
    _, client = plain
    stream = await client.request(grpc_headers(RECORD, drop=(":path",)), framed(b""))
    assert await answers(client)
    assert not client.headers(stream)
    assert not client.is_over(stream)


@pytest.mark.requirement("M6")
async def test_a_byte_beyond_ascii_ends_the_connection(plain: tuple[Any, RawClient]) -> None:
    _, client = plain
    assert await answers(client)
    await client.request(grpc_headers(RECORD, ("x-name", "caf\xe9")), framed(b""))
    await client.until(client.closed.is_set)


@pytest.mark.requirement("M9")
async def test_closing_the_server_tells_nobody(plain: tuple[Any, RawClient]) -> None:
    server, client = plain
    stream = await client.request(grpc_headers(TRACK), framed(b""), end=False)
    await client.until(lambda: client.body(stream))
    server.close()
    await server.wait_closed()
    assert not client.goaways
    assert not client.is_over(stream)


@pytest.mark.requirement("M10")
async def test_a_goaway_fails_the_calls_of_a_client() -> None:
    """Also those that the server has said it will answer."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def say_goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(4, 0, 0, b""))
        heard = b""
        while framed(b"") not in heard:
            heard += await reader.read(65_536)
        asked.set()
        writer.write(GOAWAY)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    listener = await asyncio.start_server(say_goodbye, "127.0.0.1", 0)
    channel = Channel("127.0.0.1", listener.sockets[0].getsockname()[1])
    method = UnaryUnaryMethod(channel, RECORD, RecordStepsRequest, RecordStepsResponse)
    with pytest.raises(StreamTerminatedError):
        await method(RecordStepsRequest(), timeout=60)
    assert asked.is_set()
    channel.close()
    async with asyncio.timeout(60):
        await gone.wait()
    listener.close()
