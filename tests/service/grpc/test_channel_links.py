"""Channels to several processes of a service: calls are spread, and what was never begun is made once more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived, StreamEnded
from h2.settings import SettingCodes

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, Event, EventSinkServiceStub
from firewalker.kernel.faults import DeadlineExceeded
from firewalker.runtime.grpc import channel as channels
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.server import GrpcServer
from tests.service.grpc.conftest import SERVICE_TOKEN, Bench
from tests.service.grpc.doors import SinkDoor
from tests.support.proxy import fault_proxy
from tests.support.waiting import until

REQUEST = DeliverRequest(events=[Event(event_id="a")])


class Trio:
    """Three processes of one service, as far as a channel can tell."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.doors = [SinkDoor() for _ in range(3)]
        self.servers: list[GrpcServer] = []

    async def start(self) -> None:
        self.servers = [await self.bench.serve(door, internal=True) for door in self.doors]
        self.channel = InternalChannel(",".join(f"127.0.0.1:{server.port}" for server in self.servers), SERVICE_TOKEN)
        self.stub = EventSinkServiceStub(self.channel)

    def taken(self) -> list[int]:
        return [len(door.taken) for door in self.doors]


@pytest.fixture
async def trio(bench: Bench) -> AsyncIterator[Trio]:
    trio = Trio(bench)
    await trio.start()
    yield trio
    trio.channel.close()


async def connected(trio: Trio, count: int) -> None:
    """Call until *count* of the addresses have a connection."""
    links = trio.channel._links.links
    limit = asyncio.get_running_loop().time() + 20
    while sum(link.protocol is not None for link in links) < count:
        assert asyncio.get_running_loop().time() < limit
        await trio.stub.deliver(REQUEST)
        await asyncio.sleep(0.01)


@pytest.mark.requirement("NET-42")
async def test_calls_are_spread_over_all_addresses(trio: Trio) -> None:
    await connected(trio, 3)
    before = trio.taken()
    for _ in range(30):
        await trio.stub.deliver(REQUEST)
    assert [after - earlier for after, earlier in zip(trio.taken(), before, strict=True)] == [10, 10, 10]


@pytest.mark.requirement("NET-42")
async def test_an_address_that_is_away_is_passed_over_and_taken_back(trio: Trio) -> None:
    await connected(trio, 3)
    port = trio.servers[0].port
    await trio.servers[0].close()
    for _ in range(20):
        assert await trio.stub.deliver(REQUEST) == DeliverResponse()
    trio.servers[0] = await trio.bench.serve(trio.doors[0], internal=True, port=port)
    before = trio.taken()[0]
    limit = asyncio.get_running_loop().time() + 60
    while trio.taken()[0] == before:
        assert asyncio.get_running_loop().time() < limit
        await trio.stub.deliver(REQUEST)
        await asyncio.sleep(0.01)


@pytest.mark.requirement("NET-42")
async def test_rolling_through_all_of_them_loses_no_call(trio: Trio) -> None:
    await connected(trio, 3)
    stop, answered = asyncio.Event(), 0

    async def call() -> None:
        nonlocal answered
        while not stop.is_set():
            assert await trio.stub.deliver(REQUEST) == DeliverResponse()
            answered += 1

    callers = [asyncio.create_task(call()) for _ in range(8)]
    for number in range(3):
        old = trio.servers[number]
        port = old.port
        await old.drain(5)
        await old.close()
        trio.servers[number] = await trio.bench.serve(trio.doors[number], internal=True, port=port)
        seen = answered
        await until(lambda seen=seen: answered > seen + 50)  # type: ignore[misc]
        # As one does: the next only when this one carries calls again.
        await connected(trio, 3)
    stop.set()
    await asyncio.gather(*callers)


async def test_nobody_there_is_a_fault_for_every_call(trio: Trio) -> None:
    for server in trio.servers:
        await server.close()
    results = await asyncio.gather(*(trio.stub.deliver(REQUEST) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(result, ServiceUnavailable) for result in results)


async def test_calls_over_the_peers_limit_wait_for_a_place(bench: Bench) -> None:
    door = SinkDoor()
    most = 0

    async def deliver(message: DeliverRequest) -> None:
        nonlocal most
        del message
        most = max(most, server.open_calls)
        await asyncio.sleep(0.005)

    door.on_deliver = deliver
    server = await bench.serve(door, internal=True, limits=Limits(streams=4))
    channel = InternalChannel(f"127.0.0.1:{server.port}", SERVICE_TOKEN)
    stub = EventSinkServiceStub(channel)
    assert len(await asyncio.gather(*(stub.deliver(REQUEST) for _ in range(40)))) == 40
    assert most <= 4
    channel.close()


class Moody:
    """A server by hand that does with each request what it is told: refuse, leave, drop the connection, or answer."""

    def __init__(self, moods: Sequence[str]) -> None:
        self.moods = list(moods)
        self.requests = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        h2 = H2Connection(H2Configuration(client_side=False))
        h2.initiate_connection()
        acted = False
        with contextlib.suppress(OSError):
            writer.write(h2.data_to_send())
            while data := await reader.read(65_536):
                for event in h2.receive_data(data):
                    if isinstance(event, RequestReceived):
                        self.requests += 1
                        acted = self.moods[0] != "answer"
                    # An answer waits for the request's end; a refusal may come in its midst.
                    if isinstance(event, StreamEnded if not acted else RequestReceived):
                        self._act(h2, event.stream_id or 0, writer)
                if not writer.is_closing():
                    writer.write(h2.data_to_send())
        with contextlib.suppress(OSError):
            writer.close()
            await writer.wait_closed()

    def _act(self, h2: H2Connection, stream_id: int, writer: asyncio.StreamWriter) -> None:
        mood = self.moods.pop(0)
        if mood == "refuse":
            h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
        elif mood == "leave":
            h2.close_connection(ErrorCodes.NO_ERROR, last_stream_id=stream_id - 1)
        elif mood == "drop":
            writer.transport.abort()
        elif mood == "cancel":
            h2.reset_stream(stream_id, ErrorCodes.CANCEL)
        else:
            h2.send_headers(stream_id, [(":status", "200"), ("content-type", "application/grpc")])
            h2.send_data(stream_id, b"\0\0\0\0\0")
            h2.send_headers(stream_id, [("grpc-status", "0")], end_stream=True)


class Vanishing(Moody):
    """A server whose first connection opens its windows and is never read: as if its machine were gone."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writers:
            await super()._serve(reader, writer)
            return
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a reading one
        h2 = H2Connection(H2Configuration(client_side=False))
        h2.initiate_connection()
        h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**30})
        h2.increment_flow_control_window(2**30)
        writer.write(h2.data_to_send())
        self._writers.append(writer)


async def deliver_to(moods: Sequence[str]) -> tuple[object, int]:
    """What one call of a channel comes to, and how often it was made."""
    moody = Moody(moods)
    async with moody.listening() as port:
        channel = InternalChannel(f"127.0.0.1:{port}", SERVICE_TOKEN)
        try:
            result: object = await EventSinkServiceStub(channel).deliver(REQUEST)
        except ServiceUnavailable as error:
            result = error
        finally:
            channel.close()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    return result, moody.requests


@pytest.mark.requirement("NET-33", "NET-42")
@pytest.mark.parametrize("mood", ["refuse", "leave"])
async def test_a_call_that_was_never_begun_is_made_once_more(mood: str) -> None:
    result, made = await deliver_to([mood, "answer"])
    assert result == DeliverResponse()
    assert made == 2


@pytest.mark.requirement("NET-33")
async def test_it_is_made_no_more_than_once_more() -> None:
    result, made = await deliver_to(["refuse", "refuse", "answer"])
    assert isinstance(result, ServiceUnavailable)
    assert made == 2


@pytest.mark.requirement("NET-33")
@pytest.mark.parametrize("mood", ["drop", "cancel"])
async def test_a_call_that_may_have_been_begun_is_not_repeated(mood: str) -> None:
    result, made = await deliver_to([mood, "answer"])
    assert isinstance(result, ServiceUnavailable)
    assert made == 1


@pytest.mark.requirement("NET-33")
@pytest.mark.parametrize("outage", ["unavailable", "cut", "silent", "refused"])
@pytest.mark.alone
async def test_an_outage_is_made_no_worse_by_repeats(bench: Bench, outage: str) -> None:
    """However a service fails, it is asked no more than 1.2 times as often as people ask."""
    door = SinkDoor()

    async def fail(message: DeliverRequest) -> None:
        del message
        if outage == "unavailable":
            raise ServiceUnavailable
        if outage == "silent":
            await asyncio.sleep(60)

    door.on_deliver = fail
    server = await bench.serve(door, internal=True)
    async with fault_proxy(("127.0.0.1", server.port)) as proxy:
        proxy.behaviour.refuse = outage == "refused"
        if outage == "cut":
            proxy.behaviour.cut_instead_of_answer_to = lambda data: REQUEST.SerializeToString() in data
        channel = InternalChannel(f"127.0.0.1:{proxy.port}", SERVICE_TOKEN)
        stub = EventSinkServiceStub(channel)
        asked = 0
        for _ in range(10):
            calls = [stub.deliver(REQUEST, timeout=20 if outage == "unavailable" else 0.1) for _ in range(5)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(result, ServiceUnavailable | DeadlineExceeded) for result in results), results
            asked += len(results)
        channel.close()
    assert len(door.taken) <= 1.2 * asked
    assert proxy.connections <= 1.2 * asked
    # Where they have the time to arrive, each of them did.
    assert outage != "unavailable" or len(door.taken) == asked


async def test_a_peer_that_hangs_up_at_once_is_unavailable_whenever_it_does() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        for _ in range(20):
            channel = InternalChannel(address, SERVICE_TOKEN)
            with pytest.raises(ServiceUnavailable):
                await EventSinkServiceStub(channel).deliver(REQUEST)
            channel.close()


async def test_a_connection_that_ended_after_it_was_chosen_has_not_begun_the_call(bench: Bench) -> None:
    door = SinkDoor()
    server = await bench.serve(door, internal=True)
    channel = InternalChannel(f"127.0.0.1:{server.port}", SERVICE_TOKEN)
    stub = EventSinkServiceStub(channel)
    await stub.deliver(REQUEST)
    chosen = await channel.__connect__()
    chosen.connection.close()
    await until(lambda: channel._links.links[0].protocol is None, 60)
    before = channel._links.protocol
    answers = [chosen]

    async def protocol() -> object:
        return answers.pop() if answers else await before()

    channel._links.protocol = protocol  # type: ignore[method-assign, assignment]
    await stub.deliver(REQUEST)
    assert len(door.taken) == 2
    channel.close()


@pytest.mark.requirement("NET-11", "NET-42")
@pytest.mark.parametrize("size", [1, 16_000_000])
async def test_a_peer_that_vanished_is_left_for_a_new_connection_whatever_is_unsent(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "PING_EVERY_S", 0.1)
    monkeypatch.setattr(channels, "PING_ANSWER_S", 0.1)
    async with Vanishing(["answer"] * 1_000).listening() as port:
        channel = InternalChannel(f"127.0.0.1:{port}", SERVICE_TOKEN)
        stub = EventSinkServiceStub(channel)
        first: Any = await channel.__connect__()
        with contextlib.suppress(DeadlineExceeded, ServiceUnavailable):
            await stub.deliver(DeliverRequest(events=[Event(event_id="a" * size)]), timeout=0.1)
        answer = None
        limit = asyncio.get_running_loop().time() + 60
        while answer is None:
            assert asyncio.get_running_loop().time() < limit
            with contextlib.suppress(DeadlineExceeded, ServiceUnavailable):
                answer = await stub.deliver(REQUEST, timeout=1)
        await until(first._keep_alive._timer.cancelled, 60)  # as it is once the socket is closed
        channel.close()
