"""Live totals: current everywhere, complete or bypassed, rebuilt from MySQL. Real MySQL, real Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

import pytest
from redis.asyncio import Redis

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.redis import connect
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.reading import Counted
from firewalker.step.live import Frame, part
from firewalker.step.live.known import KnownTotals
from firewalker.step.live.rebuild import rebuild_now
from firewalker.step.live.shares import shares
from tests.service.step.conftest import Process
from tests.support.databases import run_on
from tests.support.proxy import fault_proxy
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
    return new_uuid7().bytes


def address_of(redis_url: str) -> str | tuple[str, int]:
    parts = urlsplit(redis_url)
    return unquote(parts.path) if parts.scheme == "unix" else (parts.hostname or "", parts.port or 6379)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Redis]:
    redis = connect(url)
    yield redis
    await redis.aclose()


async def in_redis(process: Process, user: bytes) -> UserTotal | None:
    found = await process.live.parts[0].buckets.read(TODAY, [user], 1)
    return found[0] if found else None


async def complete(process: Process) -> None:
    """Redis has everything, and the process has seen so: it reads there."""
    await until_true(process.live.parts[0].buckets.complete)
    await until(lambda: process.live.parts[0].rebuilder.trusted)


async def test_a_total_is_in_redis_soon_after_its_commit(process: Process) -> None:
    user = someone()
    await complete(process)
    await process.ingest.record(user, [counted(1_200)])
    await until_true(lambda: in_redis(process, user))
    found = await in_redis(process, user)
    assert found is not None
    assert found.total == 1_200
    assert (await process.live.read(TODAY, [user, someone()])) == {user: found}


async def test_what_was_handed_over_is_known_wherever_one_catches_up(process: Process, start_process: Start) -> None:
    """A watcher who goes from one process to another does not go back in time."""
    other = await start_process()
    # Until Redis is known to be complete there, it goes by MySQL, which knows nothing of what is only announced.
    await until(lambda: other.live.healthy and other.live.parts[0].rebuilder.trusted)
    known = KnownTotals(other.live, SystemClock())
    user = someone()
    for steps in range(100, 120):
        await process.ingest.record(user, [counted(steps)])
        await process.live.hand_over()
        await other.live.catch_up()
        assert (await known.read(TODAY, [user]))[user].total == steps


async def test_frames_reach_this_process_at_once_and_others_by_redis(process: Process, start_process: Start) -> None:
    other = await start_process()
    await until(lambda: other.live.healthy)
    here, there = list[Frame](), list[Frame]()
    process.live.subscribe(here.append)
    other.live.subscribe(there.append)
    user = someone()
    await process.ingest.record(user, [counted(1_200)])
    assert {(frame.date, frame.totals[0][0], frame.totals[0][1].total) for frame in here} == {
        (TODAY, user, 1_200)
    }  # may repeat
    await until(lambda: there)
    assert {(frame.date, frame.totals[0][0], frame.totals[0][1].total) for frame in there} == {
        (TODAY, user, 1_200)
    }  # may repeat


async def test_frames_of_a_date_that_redis_does_not_keep_arrive_too(process: Process, start_process: Start) -> None:
    other = await start_process()
    await until(lambda: other.live.healthy)
    there = list[Frame]()
    other.live.subscribe(there.append)
    user = someone()
    await process.ingest.record(user, [counted(700, days_ago=5)])
    await until(lambda: there)
    day = TODAY - timedelta(days=5)
    assert there[0].date == day
    assert (await other.live.read(day, [user]))[user].total == 700


@pytest.mark.requirement("DATA-31")
async def test_totals_are_only_raised_whatever_the_order(process: Process) -> None:
    user, begin = someone(), to_ms(datetime.now(UTC)) // 1000 * 1000
    high = UserTotal(5_000, begin, begin)
    low = UserTotal(4_000, begin + 1_000, begin + 9_000)
    later = UserTotal(5_000, begin + 2_000, begin + 3_000)
    await complete(process)
    for total in (high, low, later, low, high):
        await process.live.parts[0].buckets.apply(TODAY, [(user, total)])
    assert await in_redis(process, user) == UserTotal(5_000, begin, begin + 9_000)
    corrected = UserTotal(100, begin, begin, revision=1)
    await process.live.parts[0].buckets.apply(TODAY, [(user, corrected), (user, high)])
    assert await in_redis(process, user) == UserTotal(100, begin, begin + 9_000, 1)


@pytest.mark.requirement("DATA-31")
async def test_hearing_a_total_again_changes_and_publishes_nothing(process: Process) -> None:
    now = to_ms(datetime.now(UTC))
    totals = [(someone(), UserTotal(n, now, now)) for n in range(100)]
    assert await process.live.parts[0].buckets.apply(TODAY, totals) == 100
    assert await process.live.parts[0].buckets.apply(TODAY, totals) == 0


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
    async with fault_proxy(address_of(redis_url)) as proxy:
        process = await start_process(redis=f"redis://127.0.0.1:{proxy.port}/1")
        await until(lambda: process.live.healthy)
        await complete(process)
        gaps = list[int]()
        process.live.on_gap(lambda: gaps.append(1))
        proxy.set(refuse=True)
        proxy.cut_all()
        user = someone()
        assert (await process.ingest.record(user, [counted(900)])).totals == {TODAY: 900}
        assert (await process.live.read(TODAY, [user]))[user].total == 900
        await until(lambda: not process.live.healthy)
        proxy.set(refuse=False)
        await until(lambda: process.live.healthy)
        assert gaps
        await until_true(lambda: in_redis(process, user))


async def test_a_redis_that_answers_but_takes_nothing_is_passed_by(process: Process, redis_url: str) -> None:
    user = someone()
    await complete(process)
    await process.ingest.record(user, [counted(100)])
    await process.live.parts[0].writer.flush()
    async with client(redis_url) as redis:
        await redis.config_set("maxmemory", "1")
        try:
            await process.ingest.record(user, [counted(900)])
            await until(lambda: process.live.parts[0].writer.behind)
            assert (await process.live.read(TODAY, [user]))[user].total == 900
        finally:
            await redis.config_set("maxmemory", "0")
    await until(lambda: not process.live.parts[0].writer.behind)
    found = await in_redis(process, user)
    assert found is not None
    assert found.total == 900


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


async def test_a_reading_without_news_renews_freshness_every_30_s_at_most(process: Process) -> None:
    user, frames = someone(), list[Frame]()
    await complete(process)  # what a rebuild finds is told too
    # Times are those that phones tell, and all taken now: however long this takes, they are as far apart.
    first, soon, later, last = (counted(900, ago_s=ago_s) for ago_s in (100, 80, 20, 0))
    await process.ingest.record(user, [first])
    process.live.subscribe(frames.append)
    await process.ingest.record(user, [soon])
    assert not frames
    await process.ingest.record(user, [later])
    await process.ingest.record(user, [last])
    assert len(frames) == 1
    ((_, total),) = frames[0].totals
    assert total.total == 900
    assert abs(to_ms(datetime.now(UTC)) - 20_000 - total.last_reading_ms) < 5_000


@pytest.mark.requirement("DATA-33")
async def test_every_key_of_a_date_expires_and_a_walker_takes_at_most_40_bytes(
    process: Process, redis_url: str
) -> None:
    now = to_ms(datetime.now(UTC))
    async with client(redis_url) as redis:
        before = (await redis.info("memory"))["used_memory_dataset"]
        for _ in range(100):
            await process.live.parts[0].buckets.apply(
                TODAY, [(someone(), UserTotal(9_999, now, now)) for _ in range(1_000)]
            )
        for _ in range(100):
            await process.live.parts[0].buckets.apply(
                TODAY, [(someone(), UserTotal(9_999, now, now)) for _ in range(1_000)]
            )
        after = (await redis.info("memory"))["used_memory_dataset"]
        assert (after - before) / 200_000 <= 40
        keys = await redis.keys("t:{*")
        assert len(keys) == 4_096
        assert all([0 < await redis.ttl(key) <= 4 * 86_400 for key in keys[::100]])
        assert await redis.object("ENCODING", keys[0]) == b"listpack"


@pytest.mark.parametrize("date_number", [0xFFFF_FFFF, 0, 3_652_059])
async def test_a_frame_that_cannot_be_read_is_passed_over(
    process: Process, start_process: Start, redis_url: str, date_number: int
) -> None:
    other, there, user = await start_process(), list[Frame](), someone()
    await until(lambda: other.live.healthy)
    other.live.subscribe(there.append, own=False)
    async with client(redis_url) as redis:
        await redis.spublish(EVERYBODY.channel, b"\x01" + b"x" * 8 + date_number.to_bytes(4, "big"))
        await redis.spublish(EVERYBODY.channel, b"\xff")
    await process.ingest.record(user, [counted(10)])
    await until(lambda: any(user == who for frame in there for who, _ in frame.totals))
    assert not [task.get_name() for task in other.live.parts[0]._tasks if task.done()]


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


@pytest.mark.alone
async def test_many_reads_at_once_wait_for_redis_instead_of_leaving_it(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = someone()
    await process.ingest.record(user, [counted(7)])
    await until(lambda: process.live.parts[0].rebuilder.trusted)
    await process.live.parts[0].writer.flush()
    monkeypatch.setattr(process.live, "_fallbacks", None)  # whoever goes by MySQL fails
    monkeypatch.setattr(part, "READ_S", 5.0)  # how fast the machine is is not the question
    found = await asyncio.gather(*(process.live.read(TODAY, [user]) for _ in range(200)))
    assert {one[user].total for one in found} == {7}
