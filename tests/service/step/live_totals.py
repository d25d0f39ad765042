"""What the tests of live totals ask for and look at."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.cluster import TAGS
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.redis import connect
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.reading import Counted
from firewalker.step.live.shares import share_of, shares
from tests.service.step.conftest import Process
from tests.support.waiting import until, until_true

TODAY = datetime.now(UTC).date()
Start = Callable[..., Awaitable[Process]]
EVERYBODY = shares("redis://one")[0]


def counted(steps: int, slot: int = 9, *, device_id: str = "phone", ago_s: int = 0, days_ago: int = 0) -> Counted:
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    return Counted(TODAY - timedelta(days=days_ago), device_id, slot, steps, to_ms(at), 1, late=False)


def drifted() -> float:
    """What /metrics tells of drift."""
    return REGISTRY.get_sample_value("firewalker_step_live_drift_total") or 0.0


def someone() -> bytes:
    """Somebody in the first share, however many there are."""
    while share_of(user := new_uuid7().bytes, len(TAGS)):
        pass
    return user


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Redis]:
    """Of the server that has the first share."""
    redis = connect(url, TAGS[0])
    yield redis
    await redis.aclose()


async def in_redis(process: Process, user: bytes) -> UserTotal | None:
    found = await process.live.parts[0].buckets.read(TODAY, [user], 1)
    return found[0] if found else None


async def complete(process: Process) -> None:
    """Redis has everything, and the process has seen so: it reads there."""
    await until_true(process.live.parts[0].buckets.complete)
    await until(lambda: process.live.parts[0].rebuilder.trusted)
