"""Stopping without breaking anybody's call."""

import asyncio
import socket
from typing import Any

import grpc
import pytest

from firewalker.runtime.grpc.server import GrpcServer
from tests.service.grpc.conftest import Bench, refusal
from tests.service.grpc.doors import RECORD, TRACK, WATCH, BoardDoor, RecordStepsResponse, StepDoor
from tests.service.grpc.raw import RawClient, frame, framed, grpc_headers
from tests.service.grpc.test_calls import reason
from tests.support.waiting import until

ALL = 2**31 - 1


def slow(door: StepDoor) -> asyncio.Event:
    """Let the door's calls wait for the event."""
    go_on = asyncio.Event()

    async def record(request: Any) -> Any:
        del request
        await go_on.wait()
        return RecordStepsResponse()

    door.on_record = record
    return go_on


@pytest.mark.requirement("NET-41")
async def test_calls_under_way_finish_and_new_ones_go_elsewhere(bench: Bench) -> None:
    door = StepDoor()
    go_on = slow(door)
    server = await bench.serve(door)
    channel = bench.channel(server)
    running = [asyncio.ensure_future(channel.unary_unary(RECORD)(b"", timeout=60)) for _ in range(20)]
    await until(lambda: door.running == 20)
    draining = asyncio.create_task(server.drain(10))
    await until(lambda: not server.health.serving)
    await asyncio.sleep(0.05)
    assert not draining.done()
    error = await refusal(bench.channel(server).unary_unary(RECORD)(b"", timeout=60))
    assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    go_on.set()
    assert await asyncio.gather(*running) == [b""] * 20
    await draining
    assert server.open_connections == 0


@pytest.mark.requirement("NET-41")
async def test_two_goaways_a_round_trip_apart_lose_no_stream(bench: Bench) -> None:
    door = StepDoor()
    go_on = slow(door)
    server = await bench.serve(door)
    async with RawClient(server.port) as client:
        first = await client.request(grpc_headers(RECORD), framed(b""))
        await until(lambda: door.running == 1)
        draining = asyncio.create_task(server.drain(10))
        await client.until(lambda: client.goaways)
        # Sent before the client knew of the second GOAWAY.
        await client.until(lambda: len(client.goaways) == 2)
        assert client.goaways == [(ALL, 0), (first, 0)]
        late = await client.request(grpc_headers(RECORD), framed(b""))
        await client.ended(late)
        assert client.reset_code(late) == 7
        go_on.set()
        assert (await client.ended(first))["grpc-status"] == "0"
        await draining
        await asyncio.wait_for(client.closed.wait(), 60)


@pytest.mark.requirement("NET-41")
async def test_a_stream_opened_between_the_goaways_is_served(bench: Bench) -> None:
    server = await bench.serve(StepDoor())
    async with RawClient(server.port) as client:
        hold = await client.request(grpc_headers(TRACK), None, end=False)
        await until(lambda: server.open_calls == 1)
        for connection in server._connections:
            connection.processor.begin_drain()
        stream = await client.request(grpc_headers(RECORD), framed(b""))
        assert (await client.ended(stream))["grpc-status"] == "0"
        client.h2.send_data(hold, b"", end_stream=True)
        await client.flush()
        assert (await client.ended(hold))["grpc-status"] == "0"


@pytest.mark.requirement("NET-41")
async def test_streams_are_told_that_the_server_goes(bench: Bench) -> None:
    server = await bench.serve(BoardDoor())
    watch = bench.channel(server).unary_stream(WATCH)(b"", metadata=bench.bearer())
    await watch.read()
    draining = asyncio.create_task(server.drain(10))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        while await watch.read() is not grpc.aio.EOF:
            pass
    assert (raised.value.code(), reason(raised.value)) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")
    await draining


async def test_what_does_not_finish_in_time_is_ended_with_a_reason(bench: Bench) -> None:
    door = StepDoor()
    slow(door)
    server = await bench.serve(door)
    running = asyncio.ensure_future(bench.channel(server).unary_unary(RECORD)(b"", timeout=60))
    await until(lambda: door.running == 1)
    await server.drain(0.1)
    await server.close()
    error = await refusal(running)
    assert (error.code(), reason(error)) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")
    assert door.cancelled == 1
    assert server.open_connections == 0


@pytest.mark.requirement("NET-41")
async def test_replacing_a_server_under_load_fails_no_call(bench: Bench) -> None:
    """Two servers behind one address, one after the other, as a rolling restart does it."""
    one = await bench.serve(StepDoor())
    two = await bench.serve(StepDoor())
    # Without a retry policy grpcio repeats only what no server has seen: a call that was accepted and failed still shows.
    options = [("grpc.lb_policy_name", "round_robin")]
    channel = grpc.aio.insecure_channel(f"ipv4:127.0.0.1:{one.port},127.0.0.1:{two.port}", options)
    call = channel.unary_unary(RECORD)
    stop = asyncio.Event()
    answered = 0

    async def load() -> None:
        nonlocal answered
        while not stop.is_set():
            await call(b"", timeout=60, wait_for_ready=True)
            answered += 1

    loads = [asyncio.create_task(load()) for _ in range(10)]
    await until(lambda: answered > 200)
    await one.drain(5)
    await one.close()
    before = answered
    await until(lambda: answered > before + 200)
    stop.set()
    await asyncio.gather(*loads)
    await channel.close()


async def test_a_client_that_says_goodbye_gets_its_answers_first(bench: Bench) -> None:
    door = StepDoor()
    go_on = slow(door)
    server = await bench.serve(door)
    async with RawClient(server.port) as client:
        stream = await client.request(grpc_headers(RECORD), framed(b""))
        await client.write(frame(0x7, 0, 0, bytes(8)))
        await until(lambda: door.running == 1)
        go_on.set()
        assert (await client.ended(stream))["grpc-status"] == "0"
        await asyncio.wait_for(client.closed.wait(), 60)


async def test_a_closed_server_no_longer_listens(bench: Bench) -> None:
    server: GrpcServer = await bench.serve(StepDoor())
    await server.close()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", server.port), 1):  # noqa: PT011
        pass
