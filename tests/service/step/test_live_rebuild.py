"""Live totals that Redis lost, never heard of or has wrong: bypassed at once, and made good from MySQL."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from firewalker.runtime.redis import RedisUnavailable
from firewalker.step.domain.day import to_ms
from firewalker.step.live import Frame
from firewalker.step.live.rebuild import rebuild_now
from tests.service.step.conftest import Process
from tests.service.step.live_totals import (
    EVERYBODY,
    TODAY,
    Start,
    client,
    complete,
    counted,
    drifted,
    in_redis,
    someone,
)
from tests.support.databases import run_on
from tests.support.waiting import until, until_true
from tests.support.ways import redis_way


@pytest.mark.requirement("DATA-30")
async def test_after_a_flush_reads_are_right_at_once_and_redis_is_rebuilt(process: Process, redis_url: str) -> None:
    users = [someone() for _ in range(1_200)]
    await asyncio.gather(*(process.ingest.record(user, [counted(n)]) for n, user in enumerate(users)))
    await complete(process)
    await process.live.parts[0].writer.flush()
    async with client(redis_url) as redis:
        await redis.flushdb()
        while not await process.live.parts[0].buckets.complete():
            some = users[::100]
            read = await process.live.read(TODAY, some)
            assert [read[user].total for user in some] == list(range(0, 1_200, 100))
        found = await process.live.parts[0].buckets.read(TODAY, users, 1)
        assert found is not None
        assert [total and total.total for total in found] == list(range(1_200))


@pytest.mark.requirement("DATA-30")
async def test_a_flush_in_the_middle_of_a_rebuild_is_noticed(process: Process, redis_url: str) -> None:
    user = someone()
    await process.ingest.record(user, [counted(10)])
    async with client(redis_url) as redis:
        token = b"somebody"
        await complete(process)
        await redis.delete(EVERYBODY.epoch)
        await until_true(lambda: process.live.parts[0].buckets.lock(token))
        await redis.flushdb()
        assert not await process.live.parts[0].buckets.finish(token, b"run", datetime.now(UTC))
    await complete(process)
    assert (await process.live.read(TODAY, [user]))[user].total == 10


async def test_the_rebuild_command_completes_redis_while_a_process_runs(
    process: Process, step_url: str, redis_url: str
) -> None:
    user = someone()
    await process.ingest.record(user, [counted(10)])
    await complete(process)
    await process.live.parts[0].writer.flush()
    async with client(redis_url) as redis:
        for key in await redis.keys("t:{*"):
            await redis.delete(key)
    seen: list[tuple[int, int]] = []
    await rebuild_now(step_url, redis_url, lambda done, of: seen.append((done, of)))
    assert seen[-1][0] == seen[-1][1] > 0
    assert await process.live.parts[0].buckets.complete()
    assert (await process.live.read(TODAY, [user]))[user].total == 10


async def test_commits_while_redis_is_away_are_told_when_it_is_back(start_process: Start, redis_url: str) -> None:
    async with redis_way(redis_url) as way:
        process = await start_process(redis=way.url)
        await until(lambda: process.live.healthy)
        await complete(process)
        gaps = list[int]()
        process.live.on_gap(lambda: gaps.append(1))
        way.set(refuse=True)
        way.cut_all()
        user = someone()
        assert (await process.ingest.record(user, [counted(900)])).totals == {TODAY: 900}
        assert (await process.live.read(TODAY, [user]))[user].total == 900
        await until(lambda: not process.live.healthy)
        way.set(refuse=False)
        await until(lambda: process.live.healthy)
        assert gaps
        await until_true(lambda: in_redis(process, user))


@pytest.mark.requirement("DATA-32")
async def test_what_a_dead_process_left_untold_is_told_by_the_next(
    process: Process, start_process: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = someone()
    await complete(process)
    monkeypatch.setattr(process.live.parts[0].writer, "put", list[Frame]().append)  # dies between COMMIT and Redis
    await process.ingest.record(user, [counted(900)])
    assert await in_redis(process, user) is None
    await start_process()
    await until_true(lambda: in_redis(process, user))


@pytest.mark.requirement("DATA-32")
async def test_what_a_process_left_untold_for_an_hour_is_told_by_the_next(
    process: Process, start_process: Start, step_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, dead = someone(), b"deadbeef"
    await complete(process)
    monkeypatch.setattr(
        process.live.parts[0].writer, "put", list[Frame]().append
    )  # Redis takes nothing, then it is killed
    await process.ingest.record(user, [counted(900)])
    await run_on(step_url, "UPDATE day_device SET reached_time = reached_time - INTERVAL 50 MINUTE")
    async with client(redis_url) as redis:
        await redis.hset(EVERYBODY.told, dead, to_ms(datetime.now(UTC) - timedelta(minutes=55)))
        another = await start_process()
        await until_true(lambda: in_redis(another, user))

        async def made_up_for() -> bool:  # so that the next repair need not look so far back
            return not await redis.hexists(EVERYBODY.told, dead)

        await until_true(made_up_for)


async def test_what_is_left_untold_by_who_stops_is_made_up_for_by_others(
    process: Process, start_process: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = someone()
    await complete(process)
    leaving = await start_process()
    await complete(leaving)

    async def refuse(*_: object) -> int:
        raise RedisUnavailable("OOM command not allowed")

    monkeypatch.setattr(leaving.live.parts[0].writer._buckets, "apply", refuse)
    monkeypatch.setattr(process.live.parts[0].rebuilder, "_sample_s", 0.1)
    await leaving.ingest.record(user, [counted(900)])
    await leaving.ingest.stop()
    await leaving.live.stop()
    await until_true(lambda: in_redis(process, user))


@pytest.mark.requirement("DATA-32")
async def test_a_sample_repairs_drift_and_counts_it(process: Process, redis_url: str) -> None:
    users = [someone() for _ in range(250)]
    await complete(process)
    await asyncio.gather(*(process.ingest.record(user, [counted(7)]) for user in users))
    await process.live.parts[0].writer.flush()
    async with client(redis_url) as redis:
        keys = [key for key in await redis.keys("t:{*") if b"t:{" in key]
        for key in keys[:50]:
            await redis.delete(key)
    counted_before = drifted()
    drift = sum([await process.live.parts[0].rebuilder.sample() for _ in range(3)])
    assert 50 <= drift <= 250
    assert drifted() - counted_before >= drift  # the background may have found some too
    found = await process.live.parts[0].buckets.read(TODAY, users, 1)
    assert found is not None
    assert all(found)
    assert sum([await process.live.parts[0].rebuilder.sample() for _ in range(3)]) == 0


@pytest.mark.parametrize("damage", ["short value", "no hash"])
async def test_what_is_no_total_is_replaced_and_reads_are_right_meanwhile(
    process: Process, redis_url: str, damage: str
) -> None:
    user = someone()
    await process.ingest.record(user, [counted(10)])
    await until(lambda: process.live.parts[0].rebuilder.trusted)
    await process.live.parts[0].writer.flush()
    async with client(redis_url) as redis:
        (key,) = [key for key in await redis.keys("t:{*") if await redis.hexists(key, user)]
        if damage == "no hash":
            await redis.set(key, "mine")
        else:
            await redis.hset(key, user, b"short")
        assert (await process.live.read(TODAY, [user]))[user].total == 10
        process.live.parts[0]._avoid_until = 0
        await process.ingest.record(user, [counted(20)])
        await process.live.parts[0].writer.flush()
        await until_true(lambda: in_redis(process, user))
        found = await in_redis(process, user)
    assert found is not None
    assert found.total == 20


async def test_a_repair_whose_statement_fails_is_repeated(process: Process, step_url: str, redis_url: str) -> None:
    user = someone()
    await process.ingest.record(user, [counted(10)])
    await complete(process)
    await process.live.parts[0].writer.flush()
    await run_on(step_url, "RENAME TABLE day_device TO elsewhere")
    async with client(redis_url) as redis:
        await redis.flushdb()
    await asyncio.sleep(1.2)  # longer than it takes to look
    await run_on(step_url, "RENAME TABLE elsewhere TO day_device")
    await until_true(process.live.parts[0].buckets.complete)  # the failed one has given its lock back
    assert (await process.live.read(TODAY, [user]))[user].total == 10


async def test_after_a_failover_to_an_older_state_reads_are_right_at_once(process: Process, redis_url: str) -> None:
    user = someone()
    await process.ingest.record(user, [counted(1_000)])
    await until(lambda: process.live.parts[0].rebuilder.trusted)
    await process.live.parts[0].writer.flush()
    async with client(redis_url) as redis:
        older = {key: await redis.dump(key) for key in await redis.keys("t:{*")}
        await process.ingest.record(user, [counted(2_500)])
        await process.live.parts[0].writer.flush()
        for key, state in older.items():  # the epoch is intact
            await redis.restore(key, 60_000_000, state or b"", replace=True)
        doubts = process.live.parts[0].rebuilder._doubts
        await redis.client_kill_filter(_type="pubsub")
        await until(lambda: process.live.parts[0].rebuilder._doubts > doubts)
        while not process.live.parts[0].rebuilder.trusted:
            assert (await process.live.read(TODAY, [user]))[user].total == 2_500
            await asyncio.sleep(0)
    found = await in_redis(process, user)
    assert found is not None
    assert found.total == 2_500


async def test_a_redis_that_another_server_was_filled_for_is_rebuilt(process: Process, redis_url: str) -> None:
    user, another = someone(), b"another-server 2026-01-01T00:00:00+00:00"
    await process.ingest.record(user, [counted(1_000)])
    await complete(process)
    await process.live.parts[0].writer.flush()
    async with client(redis_url) as redis:
        await redis.delete(*await redis.keys("t:{*"))  # older than what a repair looks at
        await redis.set(EVERYBODY.epoch, another)
        await until_true(lambda: in_redis(process, user))
        assert await redis.get(EVERYBODY.epoch) not in (None, another)
