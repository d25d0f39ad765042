"""Boards while Redis is emptied, unreachable, or has not told everything: never wrong, and soon right again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from firewalker.kernel.ids import EventId, UserId, new_uuid7
from firewalker.runtime.redis import connect
from firewalker.step.boards import upkeep
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.day import UserTotal, begin_ms, to_ms
from firewalker.step.domain.facts import Joined, WalkerNews
from firewalker.step.domain.group import GroupId
from firewalker.step.domain.period import EARLIEST, Period
from firewalker.step.live import frames
from firewalker.step.live.shares import bucket_of, shares
from firewalker.step.store import bonds
from tests.service.step.reading import (
    Reader,
    ReadingProcess,
    Watch,
    all_ears,
    befriended,
    group_of_friends,
    reading_process,
    signed_up,
    someone,
)
from tests.support.databases import flush
from tests.support.waiting import until
from tests.support.ways import RedisWay, redis_way

TODAY = datetime.now(UTC).date()


@pytest.fixture
async def way(redis_url: str) -> AsyncIterator[RedisWay]:
    async with redis_way(redis_url) as way:
        yield way


@pytest.fixture
async def writing(step_url: str, redis_url: str) -> AsyncIterator[ReadingProcess]:
    """A process that reaches Redis, whatever becomes of the way."""
    async with reading_process(step_url, redis_url) as process:
        yield process


@pytest.fixture
async def behind(writing: ReadingProcess, step_url: str, way: RedisWay) -> AsyncIterator[ReadingProcess]:
    """A process whose Redis is at the end of the way."""
    async with reading_process(step_url, way.url) as process:
        await all_ears(writing, process)
        yield process


def take_away(way: RedisWay) -> None:
    way.set(refuse=True)
    way.cut_all()


async def shows(watch: Watch, steps: dict[UserId, int], within_s: float = 60.0) -> None:
    """The watch comes to show *steps*, and no total ever falls on the way."""
    last: dict[str, int] = {user: entry.steps for user, entry in watch.entries.items()}
    wanted = {str(user): count for user, count in steps.items()}
    async with asyncio.timeout(within_s):
        while {user: count for user, count in last.items() if user in wanted} != wanted:
            assert await watch.next(within_s) is not None
            now = {user: entry.steps for user, entry in watch.entries.items()}
            assert all(now[user] >= count for user, count in last.items())
            last = now


@pytest.mark.requirement("DATA-30", "DLV-15")
async def test_an_emptied_redis_shows_on_no_board(
    writing: ReadingProcess, behind: ReadingProcess, redis_url: str
) -> None:
    me, ann, ben = someone(), someone(), someone()
    await writing.tell(*group_of_friends(me, [ann, ben]))
    await writing.walk(ann, 500, TODAY)
    await writing.walk(ben, 300, TODAY)
    async with Reader(behind, me) as reader:
        watch = reader.watch()
        await shows(watch, {ann: 500, ben: 300, me: 0})
        for number in range(1, 6):
            await flush(redis_url)
            board = await reader.board()
            assert {entry.steps for entry in board.entries} == {0, 500 + number - 1, 300}
            await writing.walk(ann, 500 + number, TODAY)
            await shows(watch, {ann: 500 + number, ben: 300})
        assert "snapshot" not in watch.kinds[1:]
        watch.cancel()


@pytest.mark.requirement("DATA-30")
async def test_without_redis_watched_boards_follow_mysql(
    writing: ReadingProcess, behind: ReadingProcess, way: RedisWay
) -> None:
    me, ann = someone(), someone()
    await writing.tell(*group_of_friends(me, [ann]))
    async with Reader(behind, me) as reader:
        watch = reader.watch()
        await shows(watch, {ann: 0})
        take_away(way)
        for steps in (100, 200):
            await writing.walk(ann, steps, TODAY)
            await shows(watch, {ann: steps})
            assert (await reader.board()).entries[0].steps == steps
        way.set()
        await all_ears(behind)
        await writing.walk(ann, 300, TODAY)
        await shows(watch, {ann: 300})
        watch.cancel()


async def test_without_redis_a_new_friend_is_shown_within_seconds(
    writing: ReadingProcess, behind: ReadingProcess, way: RedisWay
) -> None:
    me, ann = someone(), someone()
    await writing.tell(signed_up(me), signed_up(ann))
    await writing.walk(ann, 40, TODAY)
    async with Reader(behind, me) as reader:
        watch = reader.watch()
        await shows(watch, {me: 0})
        take_away(way)
        await writing.tell(befriended(me, ann, datetime.now(UTC)))
        await shows(watch, {me: 0, ann: 40})
        watch.cancel()


async def test_an_announcement_that_redis_did_not_take_is_made_when_it_is_back(
    writing: ReadingProcess, behind: ReadingProcess, way: RedisWay
) -> None:
    me, ann = someone(), someone()
    await writing.tell(signed_up(me), signed_up(ann))
    async with Reader(writing, me) as far, Reader(behind, me) as near:
        distant, local = far.watch(), near.watch()
        await shows(distant, {me: 0})
        await shows(local, {me: 0})
        take_away(way)
        await behind.tell(befriended(me, ann, datetime.now(UTC)))
        await shows(local, {me: 0, ann: 0})
        way.set()
        await shows(distant, {me: 0, ann: 0})
        distant.cancel()
        local.cancel()


async def test_announcements_lost_with_an_emptied_redis_are_made_good(
    writing: ReadingProcess, behind: ReadingProcess, redis_url: str
) -> None:
    me, friends = someone(), [someone() for _ in range(3)]
    await writing.tell(*(signed_up(user) for user in (me, *friends)))
    async with Reader(behind, me) as reader:
        watch = reader.watch()
        await shows(watch, {me: 0})
        for shown, friend in enumerate(friends, 1):
            async with writing.database.transaction() as tx:  # committed, and nobody is told
                now = datetime.now(UTC)
                await bonds.befriend(tx, [(me, friend, now, now)])
            if len((await reader.board()).entries) == shown:
                break  # else it has just looked again by itself, for another reason: a line to Redis that began anew
        else:
            pytest.fail("it looks again all the time")
        await flush(redis_url)
        await shows(watch, {me: 0, friend: 0})
        watch.cancel()


@pytest.mark.alone
@pytest.mark.requirement("DLV-15")
async def test_a_frame_that_never_came_is_made_good_within_2_seconds(behind: ReadingProcess, redis_url: str) -> None:
    me, ann = someone(), someone()
    await behind.tell(*group_of_friends(me, [ann]))
    redis = connect(redis_url)
    async with Reader(behind, me) as reader:
        watch = reader.watch()
        await shows(watch, {ann: 0})
        now_ms = to_ms(datetime.now(UTC))
        record = frames.pack_record(ann.bytes, begin_ms(TODAY), UserTotal(77, now_ms, now_ms))
        await redis.hset(shares(redis_url)[0].key(TODAY, bucket_of(ann.bytes)), ann.bytes, record[16:])
        await shows(watch, {ann: 77}, 2.2)
        watch.cancel()
    await redis.aclose()


@pytest.mark.requirement("DATA-30")
async def test_a_process_that_starts_without_redis_serves_boards(
    writing: ReadingProcess, step_url: str, way: RedisWay
) -> None:
    me, ann = someone(), someone()
    await writing.tell(*group_of_friends(me, [ann]))
    await writing.walk(ann, 90, TODAY)
    take_away(way)
    async with reading_process(step_url, way.url) as process, Reader(process, me) as reader:
        assert [entry.steps for entry in (await reader.board()).entries] == [90, 0]
        watch = reader.watch()
        await shows(watch, {ann: 90})
        watch.cancel()


@pytest.mark.requirement("PRIV-02")
async def test_boards_that_cannot_be_renewed_hold_up_no_other_and_are_tried_again(
    writing: ReadingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await all_ears(writing)
    me, ann, unlucky = someone(), someone(), [someone() for _ in range(upkeep.CIRCLES_AT_ONCE)]
    await writing.tell(signed_up(me), signed_up(ann))
    boards, tries = writing.part.boards, list[int]()

    async def broken() -> Circle:
        tries.append(1)
        raise RuntimeError("there is something about this board")

    async with AsyncExitStack() as stack:
        watchers = [await boards.watch(user, None) for user in (*unlucky, me)]
        for watcher in watchers:
            stack.callback(watcher.close)
        for watcher in watchers[:-1]:
            monkeypatch.setattr(boards._sources[watcher.board], "circle", broken)
        monkeypatch.setattr(upkeep, "RETRY_S", 3_600.0)
        boards.outdate([user.bytes for user in unlucky])
        await writing.tell(befriended(me, ann))
        await until(lambda: ann.bytes in watchers[-1].board.members)
        await until(lambda: len(tries) >= len(unlucky))
        monkeypatch.setattr(upkeep, "LONGEST_RETRY_S", 0.01)
        boards.outdate([unlucky[0].bytes])
        await until(lambda: len(tries) >= len(unlucky) + 2)


@pytest.mark.requirement("PRIV-02")
async def test_the_board_of_the_earliest_week_is_renewed_though_it_begins_before_what_can_be_asked_for(
    writing: ReadingProcess,
) -> None:
    await all_ears(writing)
    me, ann, group, ever = someone(), someone(), GroupId(new_uuid7()), datetime(1999, 1, 1, tzinfo=UTC)
    mine, anns = (
        Joined(EventId(new_uuid7()), group, "모임", WalkerNews(user, f"n-{user.hex[-6:]}", "", ever), ever)
        for user in (me, ann)
    )
    await writing.tell(mine)
    watcher = await writing.part.boards.watch_group(me, group, Period.WEEK, EARLIEST)
    assert watcher.board.day < EARLIEST
    await writing.tell(anns)
    await until(lambda: ann.bytes in watcher.board.members)
    watcher.close()
