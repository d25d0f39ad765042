"""Admission on the wire: who gets in, what the others are told, and that places are never lost."""

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2

from firewalker.runtime.grpc.admission import Admission
from firewalker.runtime.grpc.concurrency import ConcurrencyLimit
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.server import GrpcServer
from tests.service.grpc.conftest import Bench, refusal
from tests.service.grpc.doors import RECORD, TRACK, RecordStepsRequest, RecordStepsResponse, StepDoor
from tests.support.waiting import until

RULE = Rule(Caller.PUBLIC, priority=Priority.SIGN_IN)


class House:
    """A server with few places, whose calls last until `open`."""

    def __init__(self, bench: Bench, places: int, queue: int = 0) -> None:
        self.bench = bench
        self.admission = Admission(ConcurrencyLimit(places, adaptive=False), queue=queue)
        self.door = StepDoor(RULE)
        self.open = asyncio.Event()
        self.door.on_record = self._hold
        self.server = GrpcServer([self.door], Edge(admission=self.admission, measures=bench.measures), wire=bench.wire)

    async def _hold(self, request: Any) -> Any:
        del request
        await self.open.wait()
        return RecordStepsResponse()

    async def start(self) -> grpc.aio.Channel:
        await self.server.start()
        self.server.health.set(True)
        self.bench._opened.append(self.server)
        return self.bench.channel(self.server)


def record(channel: grpc.aio.Channel, **options: Any) -> Any:
    call = channel.unary_unary(RECORD, RecordStepsRequest.SerializeToString, RecordStepsResponse.FromString)
    return call(RecordStepsRequest(), timeout=60, **options)


def retry_delay_s(error: Any) -> float:
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    for detail in status_pb2.Status.FromString(packed).details:
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(retry):
            return float(retry.retry_delay.ToTimedelta().total_seconds())
    return 0.0


@pytest.mark.requirement("NET-31")
async def test_a_full_server_refuses_with_a_time_to_come_back_and_stays_healthy(bench: Bench) -> None:
    house = House(bench, places=2)
    channel = await house.start()
    running = [asyncio.ensure_future(record(channel)) for _ in range(2)]
    await until(lambda: house.door.running == 2)
    error = await refusal(record(channel))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert 0.5 <= retry_delay_s(error) <= 1.5
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    assert (await check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
    house.open.set()
    await asyncio.gather(*running)
    await record(channel)


@pytest.mark.requirement("NET-31")
async def test_a_waiting_call_is_served_when_there_is_room(bench: Bench) -> None:
    house = House(bench, places=1, queue=4)
    channel = await house.start()
    calls = [asyncio.ensure_future(record(channel)) for _ in range(2)]
    await until(lambda: house.admission.waiting == 1)
    house.open.set()
    await asyncio.gather(*calls)


async def test_no_place_is_lost_whatever_becomes_of_calls(bench: Bench) -> None:
    house = House(bench, places=4, queue=4)
    channel = await house.start()

    async def some(request: Any) -> Any:
        del request
        await asyncio.sleep(0.002)
        raise RuntimeError("a bug")

    calls = []
    for number in range(200):
        call = record(channel)
        calls.append(asyncio.ensure_future(call))
        if number % 3 == 0:
            await asyncio.sleep(0.001)
            call.cancel()
        if number == 100:
            house.door.on_record = some
            house.open.set()
    await asyncio.gather(*calls, return_exceptions=True)
    await until(lambda: house.admission.running == 0)
    assert house.admission.waiting == 0


async def test_a_connection_that_breaks_gives_its_places_back(bench: Bench) -> None:
    house = House(bench, places=3)
    channel = await house.start()
    calls = [asyncio.ensure_future(record(channel)) for _ in range(3)]
    await until(lambda: house.admission.running == 3)
    for connection in list(house.server._connections):
        connection.abort()
    await asyncio.gather(*calls, return_exceptions=True)
    await until(lambda: house.admission.running == 0)


async def test_streams_hold_no_place(bench: Bench) -> None:
    house = House(bench, places=1)
    channel = await house.start()
    streams = [channel.stream_stream(TRACK)() for _ in range(5)]
    await until(lambda: house.door.running == 5)
    assert house.admission.running == 0
    for stream in streams:
        stream.cancel()
