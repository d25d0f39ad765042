"""The parts that keep something in Redis, on a cluster whose servers die, change places and evict: what is true of each share."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.config import ConfigError
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.runtime.rate_limits import Rate, RateExceeded, RateLimits
from firewalker.runtime.redis import connect, servers
from firewalker.runtime.revocation.eviction import ensure_nothing_is_evicted
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.reading import Counted
from firewalker.step.ingest import Ingest
from firewalker.step.live import Frame, LiveTotals
from firewalker.step.live.buckets import Buckets
from firewalker.step.live.rebuild import rebuild_now
from firewalker.step.live.shares import share_of, shares
from tests.service.step.conftest import Process
from tests.support.clustered_redis import ClusteredRedis, clustered_redis
from tests.support.waiting import until, until_true

TODAY = datetime.now(UTC).date()
ONCE = Rate("once", per_s=0.01, burst=1)

Start = Callable[[], Awaitable[Process]]


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[ClusteredRedis]:
    async with clustered_redis(tmp_path) as cluster:
        yield cluster


@pytest.fixture
async def start(redis: ClusteredRedis, mysql_url: str) -> AsyncIterator[Start]:
    """Begins a step process, as far as readings go; it is whole when it has begun."""
    await migrate(mysql_url, files("firewalker.step.store") / "schema")
    async with AsyncExitStack() as stack:

        async def begin() -> Process:
            database = await stack.enter_async_context(Database(mysql_url, pool_size=6))
            live = LiveTotals(redis.url, database, SystemClock())
            stack.push_async_callback(live.stop)
            ingest = Ingest(database, live, SystemClock())
            stack.push_async_callback(ingest.stop)
            await live.start()
            await ingest.start()
            await whole(live)
            return Process(database, live, ingest)

        yield begin


async def whole(live: LiveTotals) -> None:
    """Every share is complete and trusted, and its frames arrive."""
    await until(lambda: live.healthy and all(part.rebuilder.trusted for part in live.parts))


async def record(process: Process, users: list[bytes], steps: int) -> None:
    reading = Counted(TODAY, "phone", 9, steps, to_ms(datetime.now(UTC)), 1, late=False)
    await asyncio.gather(*(process.ingest.record(user, [reading]) for user in users))


async def in_redis(process: Process, users: list[bytes]) -> dict[bytes, int | None]:
    """The totals that Redis tells this process, None for those of which it cannot be asked now."""
    found: dict[bytes, int | None] = dict.fromkeys(users)
    for number, part in enumerate(process.live.parts):
        some = [user for user in users if share_of(user, len(process.live.parts)) == number]
        answer: list[UserTotal | None] | None = await part.read(TODAY, some)
        if answer is not None:
            found |= {user: total.total if total else 0 for user, total in zip(some, answer, strict=True)}
    return found


async def test_whoever_is_not_on_the_dead_server_is_read_from_redis_all_the_time(
    redis: ClusteredRedis, start: Start
) -> None:
    process = await start()
    users = [new_uuid7().bytes for _ in range(120)]
    await record(process, users, 100)
    await until_true(lambda: holds(process, users, 100))
    dead = await redis.primary_of(f"{{{shares(redis.url)[0].tag}}}")
    gone = [number for number, share in enumerate(shares(redis.url)) if await redis.primary_of(share.epoch) == dead]
    assert len(gone) == 4
    await redis.kill(dead)
    await until(lambda: not process.live.healthy)
    for steps in (200, 300, 400):
        await record(process, users, steps)
        read = await process.live.read(TODAY, users)
        assert {total.total for total in read.values()} == {steps}
        assert len(read) == len(users)
        told = await in_redis(process, users)
        assert all(told[user] is not None for user in users if share_of(user, 12) not in gone)
    await whole(process.live)
    await until_true(lambda: holds(process, users, 400))


async def holds(process: Process, users: list[bytes], steps: int) -> bool:
    return set((await in_redis(process, users)).values()) == {steps}


async def test_when_servers_change_places_in_order_every_process_goes_on_hearing_of_all(
    redis: ClusteredRedis, start: Start
) -> None:
    one, other = await start(), await start()
    heard: dict[bytes, int] = {}

    def hear(frame: Frame) -> None:
        heard.update((user, max(total.total, heard.get(user, 0))) for user, total in frame.totals)

    other.live.subscribe(hear, own=False)
    users = [new_uuid7().bytes for _ in range(48)]
    await record(one, users, 100)
    await until(lambda: heard == dict.fromkeys(users, 100))
    before = await redis.primary_of(shares(redis.url)[0].channel)
    await redis.promote_replica_of(before)
    assert await redis.primary_of(shares(redis.url)[0].channel) != before
    await record(one, users, 200)
    await whole(one.live)
    await whole(other.live)
    await until_true(lambda: holds(other, users, 200))
    await record(one, users, 300)
    await until(lambda: heard == dict.fromkeys(users, 300))


async def test_the_rebuild_command_fills_every_share(redis: ClusteredRedis, start: Start, mysql_url: str) -> None:
    process = await start()
    users = [new_uuid7().bytes for _ in range(60)]
    await record(process, users, 100)
    await until_true(lambda: holds(process, users, 100))
    for share in shares(redis.url):
        client = connect(redis.url, share.tag)
        await client.delete(*(share.key(TODAY, bucket) for bucket in range(4_096)))
        await client.aclose()
    assert set((await in_redis(process, users)).values()) == {0}
    seen: list[tuple[int, int]] = []
    await rebuild_now(mysql_url, redis.url, lambda done, of: seen.append((done, of)))
    assert seen[-1][0] == seen[-1][1] == len(users)
    for share in shares(redis.url):
        client = connect(redis.url, share.tag)
        assert await Buckets(client, os.urandom(8), share).complete()
        await client.aclose()
    await whole(process.live)
    assert await holds(process, users, 100)


async def test_all_processes_count_together_and_no_server_may_evict(redis: ClusteredRedis) -> None:
    here, there = RateLimits(redis.url), RateLimits(redis.url)
    people = [f"u:{number}" for number in range(40)]
    for number, who in enumerate(people):
        await (here if number % 2 else there).spend(who, ONCE)
    for number, who in enumerate(people):
        with pytest.raises(RateExceeded):
            await (there if number % 2 else here).spend(who, ONCE)
    await here.forget(people[0], ONCE)
    await there.spend(people[0], ONCE)
    for each in (here, there):
        await each.close()

    found = await servers(redis.url)
    assert len(found) == 6
    await ensure_nothing_is_evicted(redis.url)
    client = connect(found[-1])
    await client.config_set("maxmemory-policy", "allkeys-lru")
    await client.aclose()
    with pytest.raises(ConfigError, match="allkeys-lru"):
        await ensure_nothing_is_evicted(redis.url)
