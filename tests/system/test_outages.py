"""What health says while MySQL or Redis is away: ready or not, and always alive."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2

from firewalker.local.backend import Backend
from tests.system.people import Town, eventually, retrying

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = ("user", "step", "notification")
CHECK = "/grpc.health.v1.Health/Check"

HYSTERESIS_S = 1.5
"""A service bears at least two failed checks, a second apart, before it says that it is not ready."""


async def health(channel: grpc.aio.Channel, name: str) -> int:
    call = channel.unary_unary(
        CHECK, health_pb2.HealthCheckRequest.SerializeToString, health_pb2.HealthCheckResponse.FromString
    )
    answer = await call(health_pb2.HealthCheckRequest(service=name), timeout=60)
    return int(answer.status)


class Watch:
    """Asks one service how it is, over a connection of its own."""

    def __init__(self, backend: Backend, service: str) -> None:
        self.service = service
        self.channel = grpc.aio.insecure_channel(backend.address(service))

    async def says(self, ready: int) -> bool:
        """Whether it is as ready as that, and alive whatever happens."""
        assert await health(self.channel, "live") == SERVING
        return await health(self.channel, "") == ready


@pytest.mark.requirement("NET-40")
@pytest.mark.alone
async def test_mysql_away_makes_services_unready_but_not_dead(backend: Backend, town: Town) -> None:
    watches = [Watch(backend, service) for service in SERVICES]
    starts = {service: backend.starts(service) for service in SERVICES}
    await backend.halt("mysql")
    gone = time.monotonic()
    for watch in watches:
        await eventually(lambda watch=watch: watch.says(NOT_SERVING), 15)
    assert time.monotonic() - gone >= HYSTERESIS_S
    backend.revive("mysql")
    await backend.wait_ready("mysql")
    back = time.monotonic()
    for watch in watches:
        await eventually(lambda watch=watch: watch.says(SERVING), 10)
    assert time.monotonic() - back < 10
    # Nobody was restarted for it, and everything works.
    assert {service: backend.starts(service) for service in SERVICES} == starts
    await retrying(lambda: town.person("Survivor"))
    for watch in watches:
        await watch.channel.close()


@pytest.mark.requirement("NET-40")
async def test_redis_away_is_no_reason_to_send_traffic_elsewhere(backend: Backend, town: Town) -> None:
    walker = await town.person("Walker")
    watches = [Watch(backend, service) for service in SERVICES]
    await backend.halt("redis")
    try:
        limit = time.monotonic() + 5  # longer than three failed checks would take
        while time.monotonic() < limit:
            for watch in watches:
                assert await watch.says(SERVING), watch.service
            await asyncio.sleep(0.2)
        # Readings are taken, and nobody is refused for want of somebody who counts.
        answer = await town.record(walker, 10)
        assert answer.days[-1].total == 10
    finally:
        backend.revive("redis")
        await backend.wait_ready("redis")
        for watch in watches:
            await watch.channel.close()
