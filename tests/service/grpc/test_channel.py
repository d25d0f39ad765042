"""Calls between services: credential, deadline, errors as faults, connections that come and go."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, Event, EventSinkServiceStub
from firewalker.kernel.faults import DeadlineExceeded, InvalidRequest
from firewalker.runtime import deadline
from firewalker.runtime.grpc.channel import CallRefused, InternalChannel
from firewalker.runtime.grpc.faults import ServiceUnavailable
from tests.service.grpc.conftest import SERVICE_TOKEN, Bench
from tests.service.grpc.doors import SinkDoor
from tests.support.proxy import FaultProxy
from tests.support.waiting import until

REQUEST = DeliverRequest(events=[Event(event_id="a")])


class Pair:
    """A receiver and a stub that calls it."""

    def __init__(self, bench: Bench, door: SinkDoor, address: str, token: str = SERVICE_TOKEN) -> None:
        self.bench, self.door = bench, door
        self.channel = InternalChannel(address, token)
        self.stub = EventSinkServiceStub(self.channel)


@pytest.fixture
async def pair(bench: Bench) -> AsyncIterator[Pair]:
    door = SinkDoor()
    server = await bench.serve(door, internal=True)
    pair = Pair(bench, door, f"127.0.0.1:{server.port}")
    yield pair
    pair.channel.close()


def server_of(pair: Pair) -> Any:
    return pair.bench._opened[0]


async def test_a_call_carries_the_credential_and_is_answered(pair: Pair) -> None:
    assert await pair.stub.deliver(REQUEST) == DeliverResponse()
    assert pair.door.taken == [REQUEST]


async def test_many_calls_share_one_connection(pair: Pair) -> None:
    await asyncio.gather(*(pair.stub.deliver(REQUEST) for _ in range(150)))
    assert len(pair.door.taken) == 150
    assert server_of(pair).open_connections == 1


@pytest.mark.requirement("NET-30")
@pytest.mark.alone
async def test_the_present_deadline_goes_along_less_a_margin(pair: Pair) -> None:
    seen = []

    async def deliver(message: DeliverRequest) -> None:
        del message
        seen.append(deadline.remaining() or 0)

    pair.door.on_deliver = deliver
    with deadline.deadline(1.0):
        await pair.stub.deliver(REQUEST)
    await pair.stub.deliver(REQUEST, timeout=0.5)
    await pair.stub.deliver(REQUEST)
    assert 0.8 < seen[0] <= 0.98
    assert 0.3 < seen[1] <= 0.5
    assert 4.5 < seen[2] <= 5


@pytest.mark.requirement("NET-30")
async def test_a_call_past_its_deadline_is_not_made_and_a_slow_one_is_given_up(pair: Pair) -> None:
    with deadline.deadline(0.01), pytest.raises(DeadlineExceeded):
        await pair.stub.deliver(REQUEST)
    assert not pair.door.taken

    async def deliver(message: DeliverRequest) -> None:
        del message
        await asyncio.sleep(60)

    pair.door.on_deliver = deliver
    with pytest.raises(DeadlineExceeded):
        await pair.stub.deliver(REQUEST, timeout=0.1)
    await until(lambda: server_of(pair).open_calls == 0)


async def test_another_fault_is_told_by_status_and_reason(pair: Pair, bench: Bench) -> None:
    async def deliver(message: DeliverRequest) -> None:
        del message
        raise InvalidRequest

    pair.door.on_deliver = deliver
    with pytest.raises(CallRefused) as refused:
        await pair.stub.deliver(REQUEST)
    assert (refused.value.status, refused.value.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    stranger = Pair(bench, pair.door, f"127.0.0.1:{server_of(pair).port}", token="other")
    with pytest.raises(CallRefused) as refused:
        await stranger.stub.deliver(REQUEST)
    assert refused.value.reason == "SERVICE_CREDENTIAL_INVALID"
    stranger.channel.close()


async def test_a_service_that_is_away_is_a_fault_at_once_and_found_again(bench: Bench) -> None:
    door = SinkDoor()
    server = await bench.serve(door, internal=True)
    port = server.port
    await server.close()
    pair = Pair(bench, door, f"127.0.0.1:{port}")
    for _ in range(5):
        with pytest.raises(ServiceUnavailable):
            await pair.stub.deliver(REQUEST)
    await bench.serve(door, internal=True, port=port)
    limit = asyncio.get_running_loop().time() + 20
    while True:
        try:
            await pair.stub.deliver(REQUEST)
            break
        except ServiceUnavailable:
            assert asyncio.get_running_loop().time() < limit
            await asyncio.sleep(0.02)
    pair.channel.close()


async def test_a_connection_that_breaks_is_a_fault_and_the_next_call_connects_anew(pair: Pair) -> None:
    port = server_of(pair).port
    proxy = FaultProxy(("127.0.0.1", port))
    await proxy.start()
    through = Pair(pair.bench, pair.door, f"127.0.0.1:{proxy.port}")
    hold = asyncio.Event()

    async def deliver(message: DeliverRequest) -> None:
        del message
        await hold.wait()

    pair.door.on_deliver = deliver
    call = asyncio.create_task(through.stub.deliver(REQUEST))
    await until(lambda: pair.door.taken)
    proxy.cut_all()
    with pytest.raises(ServiceUnavailable):
        await call
    hold.set()
    await through.stub.deliver(REQUEST)
    through.channel.close()
    await proxy.close()


@pytest.mark.requirement("NET-42")
async def test_a_goaway_fails_no_call_under_way_and_new_calls_find_a_new_connection(pair: Pair, bench: Bench) -> None:
    hold = asyncio.Event()

    async def deliver(message: DeliverRequest) -> None:
        del message
        await hold.wait()

    pair.door.on_deliver = deliver
    calls = [asyncio.create_task(pair.stub.deliver(REQUEST)) for _ in range(10)]
    old = server_of(pair)
    await until(lambda: old.open_calls == 10)
    draining = asyncio.create_task(old.drain(10))
    await until(lambda: not pair.channel._connected)
    hold.set()
    assert await asyncio.gather(*calls) == [DeliverResponse()] * 10
    await draining
    await bench.serve(pair.door, internal=True, port=old.port)
    await pair.stub.deliver(REQUEST)


@pytest.mark.requirement("NET-42")
async def test_a_restart_between_calls_is_not_seen(pair: Pair, bench: Bench) -> None:
    for _ in range(3):
        await pair.stub.deliver(REQUEST)
        old = bench._opened[-1]
        await old.drain(5)
        await old.close()
        await bench.serve(pair.door, internal=True, port=old.port)
    await pair.stub.deliver(REQUEST)
