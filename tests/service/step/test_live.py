"""Live totals: current everywhere, and small. Real MySQL, real Redis."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import pytest

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import new_uuid7
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.live import Frame, part
from firewalker.step.live.known import KnownTotals
from tests.service.step.conftest import Process
from tests.service.step.live_totals import EVERYBODY, TODAY, Start, client, complete, counted, in_redis, someone
from tests.support.waiting import until, until_true


async def test_a_total_is_in_redis_soon_after_its_commit(process: Process) -> None:
    user = someone()
    await complete(process)
    await process.ingest.record(user, [counted(1_200)])
    await until_true(lambda: in_redis(process, user))
    found = await in_redis(process, user)
    assert found is not None
    assert found.total == 1_200
    assert (await process.live.read(TODAY, [user, someone()])) == {user: found}


async def test_who_reads_before_redis_was_told_finds_what_was_acknowledged(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read is kept, and this process's own frame does not come back to mend it."""
    await until(lambda: process.live.healthy)
    await complete(process)
    known, user = KnownTotals(process.live, SystemClock()), someone()
    buckets = process.live.parts[0].writer._buckets
    may_send, sending, apply = asyncio.Event(), asyncio.Event(), buckets.apply

    async def slowly(day: date, totals: Iterable[tuple[bytes, UserTotal]]) -> int:
        sending.set()
        await may_send.wait()
        return await apply(day, totals)

    monkeypatch.setattr(buckets, "apply", slowly)
    await process.ingest.record(user, [counted(1_200)])
    await sending.wait()
    assert (await known.read(TODAY, [user]))[user].total == 1_200
    await process.ingest.record(user, [counted(1_300)])
    assert (await process.live.read(TODAY, [user]))[user].total == 1_300
    may_send.set()
    await process.live.hand_over()
    assert (await known.read(TODAY, [user]))[user].total == 1_300
    found = await in_redis(process, user)
    assert found is not None
    assert found.total == 1_300


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
                TODAY, [(new_uuid7().bytes, UserTotal(9_999, now, now)) for _ in range(1_000)]
            )
        for _ in range(100):
            await process.live.parts[0].buckets.apply(
                TODAY, [(new_uuid7().bytes, UserTotal(9_999, now, now)) for _ in range(1_000)]
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
