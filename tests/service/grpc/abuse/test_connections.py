"""Counts of connections, pings in both directions, and what a single stream may carry."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import grpc
import pytest

from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.server import GrpcServer
from tests.service.grpc.abuse.floods import PING
from tests.service.grpc.abuse.site import target
from tests.service.grpc.abuse.target import GRPCLIB, serve
from tests.service.grpc.conftest import Bench
from tests.service.grpc.doors import RECORD, TRACK, StepDoor, TrackStepsRequest
from tests.service.grpc.raw import RawClient, frame, framed, grpc_headers
from tests.support.proxy import Behaviour, FaultProxy
from tests.support.waiting import until

pytestmark = pytest.mark.alone

ENHANCE_YOUR_CALM = 11
MIB_PER_CONNECTION = 0.06


async def crowd(port: int, size: int, address: str) -> list[asyncio.StreamWriter]:
    """Connections from one address, opened and idle."""
    writers = []
    for _ in range(size):
        _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
        writers.append(writer)
    return writers


@pytest.mark.requirement("NET-10")
@pytest.mark.parametrize(("kind", "taken"), [(GRPCLIB, 60), ("fast", 40), ("plain", 40)])
async def test_an_address_has_so_many_connections(kind: str, taken: int) -> None:
    server, port = await serve(kind, Limits(connections_per_address=40), Rule(Caller.PUBLIC))
    writers = await crowd(port, 60, "127.0.0.2")
    readers = [writer.transport.get_protocol()._stream_reader for writer in writers]  # type: ignore[attr-defined]

    async def lives(reader: asyncio.StreamReader) -> bool:
        try:
            return bool(await asyncio.wait_for(reader.read(9), 20))
        except OSError:
            return False

    assert sum(await asyncio.gather(*map(lives, readers))) == taken
    # Somebody else comes in.
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await channel.unary_unary(RECORD)(b"", timeout=20)
    for writer in writers:
        writer.transport.abort()
    server.close() if kind == GRPCLIB else await server.close()
    if kind == GRPCLIB:
        await server.wait_closed()


@pytest.mark.requirement("NET-10")
async def test_memory_at_the_cap(wire: Any) -> None:
    with target(wire.value, connections=300) as server:
        for writer in await crowd(server.port, 20, "127.0.0.2"):
            writer.transport.abort()
        before = server.resident_mib
        writers = await crowd(server.port, 300, "127.0.0.3")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", [("grpc.enable_retries", 0)]) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(RECORD)(b"", timeout=20)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert server.resident_mib - before < 300 * MIB_PER_CONNECTION
        for writer in writers:
            writer.transport.abort()


@pytest.mark.requirement("NET-06")
async def test_a_client_that_pings_too_often_is_told_so(bench: Bench) -> None:
    server = await bench.serve(StepDoor())
    async with RawClient(server.port) as client:
        for _ in range(4):
            await client.write(frame(PING, 0, 0, b"12345678"))
        await asyncio.wait_for(client.closed.wait(), 20)
        assert client.goaways[-1][1] == ENHANCE_YOUR_CALM
    await until(lambda: bench.measures.connections("too_many_pings") == 1)


@pytest.mark.requirement("NET-06")
async def test_pings_between_answers_are_fine(bench: Bench) -> None:
    server = await bench.serve(StepDoor())
    async with RawClient(server.port) as client:
        for _ in range(20):
            await client.ended(await client.request(grpc_headers(RECORD), framed(b"")))
            await client.write(frame(PING, 0, 0, b"12345678"))
        await client.ended(await client.request(grpc_headers(RECORD), framed(b"")))
        assert not client.goaways


@pytest.mark.requirement("NET-11")
class TestKeepAlive:
    LIMITS = Limits(ping_every_s=0.2, ping_answer_s=0.2)

    async def test_a_silent_stream_is_kept(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor(), limits=self.LIMITS)
        call = bench.channel(server).stream_stream(TRACK)()
        await call.write(TrackStepsRequest(message_id="1").SerializeToString())
        await call.read()
        # grpcio answers pings by itself: five of them.
        await asyncio.sleep(1.2)
        await call.write(TrackStepsRequest(message_id="2").SerializeToString())
        await call.read()
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK

    async def test_a_peer_that_has_died_is_noticed(self, bench: Bench) -> None:
        door = StepDoor()
        server = await bench.serve(door, limits=self.LIMITS)
        proxy = FaultProxy(("127.0.0.1", server.port), behaviour=Behaviour())
        await proxy.start()
        async with RawClient(proxy.port) as client:
            await client.request(grpc_headers(TRACK), framed(b""), end=False)
            await until(lambda: door.running == 1)
            # As a balancer that has forgotten the flow: bytes go nowhere, and nobody is told.
            proxy.behaviour.black_hole = True
            await until(lambda: server.open_connections == 0)
            await until(lambda: door.running == 0)
            assert bench.measures.connections("dead") == 1
        await proxy.close()

    async def test_a_connection_without_calls_is_not_pinged(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor(), limits=self.LIMITS)
        async with RawClient(server.port) as client:
            await client.ended(await client.request(grpc_headers(RECORD), framed(b"")))
            await asyncio.sleep(0.7)
            assert server.open_connections == 1


@pytest.mark.requirement("NET-01")
class TestUnfinishedMessages:
    MESSAGE = framed(b"", length=60_000) + bytes(15_000)
    """A quarter of one."""

    async def _begin(self, client: RawClient) -> int:
        stream = await client.request(grpc_headers(RECORD), None, end=False)
        client.h2.send_data(stream, self.MESSAGE)
        await client.flush()
        return stream

    async def test_those_that_began_first_make_way_whoever_sent_them(self, bench: Bench) -> None:
        door = StepDoor()
        server = await bench.serve(door, limits=Limits(unfinished_bytes=100_000))
        async with RawClient(server.port) as one, RawClient(server.port) as other:
            old = [await self._begin(client) for client in (one, other, one)]
            await until(lambda: server._partials.total == 3 * len(self.MESSAGE))
            began = [await self._begin(other) for _ in range(6)]
            for client, stream in zip((one, other, one), old, strict=True):
                answer = await client.ended(stream)
                assert (answer["grpc-status"], answer["grpc-message"]) == ("8", "Too much is going on; try again.")
            assert server._partials.total == 6 * len(self.MESSAGE)
            # The newest becomes whole, at the expense of others.
            for end in (False, False, True):
                other.h2.send_data(began[-1], bytes(15_000), end_stream=end)
            await other.flush()
            assert (await other.ended(began[-1]))["grpc-status"] == "3"  # zeros are no message
            assert (await other.ended(began[0]))["grpc-status"] == "8"
        await until(lambda: server._partials.total == 0)

    async def test_a_stream_keeps_its_turn_while_its_messages_become_whole(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor(), limits=Limits(unfinished_bytes=48_000))
        whole = framed(TrackStepsRequest(message_id="x" * 14_000).SerializeToString())
        async with RawClient(server.port) as steady, RawClient(server.port) as slow:
            stream = await steady.request(grpc_headers(TRACK), None, end=False)
            steady.h2.send_data(stream, whole[:7_000])
            await steady.flush()
            for begun in (1, 2):
                await self._begin(slow)
                await until(partial(self._holds, server, begun * len(self.MESSAGE) + 7_000))
                # Ends a message and begins the next: what the slow one began is older now.
                steady.h2.send_data(stream, whole[7_000:] + whole[:7_000])
                await steady.flush()
                await steady.until(lambda: len(steady.body(stream)) >= len(whole))
            await self._begin(slow)
            await until(lambda: bench.measures.calls(RECORD, "RESOURCE_EXHAUSTED") == 1)
            assert server._partials.total == 2 * len(self.MESSAGE) + 7_000
            steady.h2.send_data(stream, whole[7_000:], end_stream=True)
            await steady.flush()
            assert (await steady.ended(stream))["grpc-status"] == "0"

    def _holds(self, server: GrpcServer, size: int) -> bool:
        return server._partials.total == size

    def _has_room(self, client: RawClient) -> bool:
        return client.h2.outbound_flow_control_window > 50_000

    async def _growth(self, wire: Any, **limits: Any) -> float:
        """What 32 MiB of parts cost a server, in MiB."""
        with target(wire.value, **limits) as server:
            async with AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(RawClient(server.port)) for _ in range(8)]
                for client in clients:
                    await client.ended(await client.request(grpc_headers(RECORD), framed(b"")))
                before = server.resident_mib
                for client in clients:
                    for _ in range(90):
                        await client.until(partial(self._has_room, client))
                        stream = await client.request(grpc_headers(RECORD), None, end=False)
                        for part in (self.MESSAGE, bytes(16_000), bytes(16_000)):
                            client.h2.send_data(stream, part)
                        await client.flush()
                # An answer on each connection: everything before it was worked on.
                for client in clients:
                    await client.ended(await client.request(grpc_headers(RECORD), framed(b"")))
                return server.resident_mib - before

    async def test_memory_stays_within_the_bound(self, wire: Any) -> None:
        assert await self._growth(wire, unfinished_bytes=2 * 2**20) < 10
        assert await self._growth(wire) > 30


@pytest.mark.requirement("NET-20")
class TestLongStreams:
    async def _ends(self, bench: Bench, rule: Rule, size: int) -> tuple[int, int, str]:
        server = await bench.serve(StepDoor(rule))
        async with RawClient(server.port) as client:
            message = framed(TrackStepsRequest(message_id="x" * size).SerializeToString())
            stream = await client.request(grpc_headers(TRACK), None, end=False)
            for _ in range(10):
                client.h2.send_data(stream, message)
            await client.flush()
            headers = await client.ended(stream)
            answers = client.body(stream).count(message)
            return answers, int(headers["grpc-status"]), headers["grpc-message"]

    async def test_a_stream_brings_so_many_messages(self, bench: Bench) -> None:
        answers, status, message = await self._ends(bench, Rule(Caller.PUBLIC, stream_messages=4), 10)
        assert (answers, status) == (4, 8)
        assert "open a new one" in message

    async def test_a_stream_brings_so_many_bytes(self, bench: Bench) -> None:
        answers, status, _ = await self._ends(bench, Rule(Caller.PUBLIC, stream_bytes=3_500), 1_000)
        assert (answers, status) == (3, 8)
