"""Suspect days among others: on boards and in statistics of groups, every period that they are in, and in friends' median."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from uuid import UUID

import pytest

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import EventId, UserId, new_uuid7
from firewalker.runtime.migrations import migrate
from firewalker.step.app import build
from firewalker.step.boards.updates import Changes, Snapshot
from firewalker.step.boards.watcher import Watcher
from firewalker.step.config import StepConfig
from firewalker.step.domain.facts import Joined, WalkerNews
from firewalker.step.domain.group import GroupId
from firewalker.step.domain.leaderboard import State
from firewalker.step.domain.period import Period
from firewalker.step.domain.suspicion import Verdict
from firewalker.step.usecases.reviews import reviewing
from tests.service.step.calls import BOARDS, STATS, befriend, call
from tests.service.step.reading import all_ears, reading_process, someone
from tests.service.step.test_groups import new_group, stats, walk, watching
from tests.service.step.test_stats import walked
from tests.support.services import Service, serving

NOW = datetime.now(UTC)
TODAY = NOW.date()
LAST_MONTH = TODAY.replace(day=1) - timedelta(days=15)
"""A date whose week and month are over, and final everywhere."""
RANKED, NO_DATA, UNDER_REVIEW = 1, 2, 4


@pytest.fixture
async def step(mysql_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving("step", StepConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url) as service:
        yield service


async def rows(step: Service, viewer: UserId, group: UUID, period: str, day: str) -> dict[str, tuple[int, int, int]]:
    """Rank, state and steps by user."""
    answer = await call(step, f"{BOARDS}/GetGroupLeaderboard", viewer, groupId=str(group), period=period, date=day)
    return {entry.user_id: (entry.rank, entry.state, entry.steps) for entry in answer.leaderboard.entries}


@pytest.mark.requirement("DATA-24")
@pytest.mark.parametrize("day", [TODAY, LAST_MONTH], ids=["open", "final"])
async def test_who_has_a_suspect_day_has_no_rank_in_its_periods_until_it_is_approved(
    step: Service, mysql_url: str, redis_url: str, day: object
) -> None:
    assert isinstance(day, type(TODAY))
    ago, shown = (TODAY - day).days, day.isoformat()
    me, cheat = someone(), someone()
    group = await new_group(step, me, cheat)
    await walk(step, mysql_url, me, {ago: 40_000})  # looked at, and believed
    await walk(step, mysql_url, cheat, {ago: 65_000, 90: 5_000})
    for period in ("DAY", "WEEK", "MONTH"):
        expected = {str(me): (1, RANKED, 40_000), str(cheat): (0, UNDER_REVIEW, 65_000)}
        assert await rows(step, me, group, period, shown) == expected, period
        watch = watching(step, me, group, period, date=shown)
        if period != "DAY" or ago == 0:  # days that are over for good are not watched
            await watch.next()
            assert watch.entries[str(cheat)].state == UNDER_REVIEW
        watch.cancel()
    async with reviewing(mysql_url, redis_url) as reviews:
        await reviews.decide(cheat, day, Verdict.APPROVED, "somebody")
    await walk(step, mysql_url, me, {})  # what was known of totals is read again
    for period in ("DAY", "WEEK", "MONTH"):
        expected = {str(me): (2, RANKED, 40_000), str(cheat): (1, RANKED, 65_000)}
        assert await rows(step, me, group, period, shown) == expected, period


class SaturdaysClock(SystemClock):
    """The real one, some weeks ahead: on a Saturday in mid-month, when some days of week and month are final."""

    def __init__(self) -> None:
        self._ahead = next(
            ahead
            for ahead in (timedelta(days=days) for days in range(60))
            if (NOW + ahead).weekday() == 5 and 10 < (NOW + ahead).day < 20
        )

    def now(self) -> datetime:
        return super().now() + self._ahead


async def test_whoever_watches_a_week_or_month_sees_the_approval_of_a_day_that_is_final(
    mysql_url: str, redis_url: str
) -> None:
    await migrate(mysql_url, files("firewalker.step.store") / "schema")
    clock = SaturdaysClock()
    me, cheat, group = someone(), someone(), GroupId(new_uuid7())
    final = clock.now().date() - timedelta(days=3)
    await walked(mysql_url, cheat, {(TODAY - final).days: 65_000})
    async with reading_process(mysql_url, redis_url, clock=clock) as process:
        await all_ears(process)
        news = [WalkerNews(user, f"n-{user.hex[-6:]}", "", NOW) for user in (me, cheat)]
        await process.tell(
            *(Joined(EventId(new_uuid7()), group, "모임", one, NOW - timedelta(days=99)) for one in news)
        )
        boards = process.part.boards
        watchers = [await boards.watch_group(me, group, period, None) for period in (Period.WEEK, Period.MONTH)]
        for watcher in watchers:
            assert await state_of(cheat, watcher) is State.UNDER_REVIEW
        async with reviewing(mysql_url, redis_url) as reviews:
            await reviews.decide(cheat, final, Verdict.APPROVED, "somebody")
        async with asyncio.timeout(60):
            for watcher in watchers:
                while await state_of(cheat, watcher) is not State.RANKED:
                    pass
                watcher.close()


async def state_of(user: UserId, watcher: Watcher) -> State | None:
    """The user's state in what the watcher is told next; None if that does not tell."""
    update = await watcher.next()
    rows = update.rows if isinstance(update, Snapshot) else update.change.rows if isinstance(update, Changes) else ()
    return next((row.standing.state for row in rows if row.standing.user_id == user.bytes), None)


async def test_other_periods_of_that_walker_are_as_always(step: Service, mysql_url: str) -> None:
    me, cheat = someone(), someone()
    group = await new_group(step, me, cheat)
    last_week = (LAST_MONTH - timedelta(days=7)).isoformat()
    await walk(step, mysql_url, cheat, {(TODAY - LAST_MONTH).days: 65_000, (TODAY - LAST_MONTH).days + 7: 300})
    for period in ("DAY", "WEEK"):
        expected = {str(cheat): (1, RANKED, 300), str(me): (0, NO_DATA, 0)}
        assert await rows(step, me, group, period, last_week) == expected


async def test_statistics_of_a_group_leave_out_days_that_nobody_believes(step: Service, mysql_url: str) -> None:
    me, cheat, only_cheat = someone(), someone(), someone()
    group = await new_group(step, me, cheat, only_cheat)
    ago = (TODAY - LAST_MONTH).days
    await walk(step, mysql_url, me, {ago: 40_000})
    await walk(step, mysql_url, cheat, {ago: 65_000, ago + 1: 2_000})
    await walk(step, mysql_url, only_cheat, {ago: 65_000})
    for period in ("MONTH", "YEAR"):
        answer = await call(
            step, f"{STATS}/GetGroupStats", me,
            groupId=str(group), period=period, date=LAST_MONTH.isoformat(),
        )  # fmt: skip
        numbers = answer.stats
        assert (numbers.total, numbers.active_members) == (42_000, 2), period
        assert [member.total for member in numbers.members] == [40_000, 2_000, 0], period
    assert (await stats(step, me, group, "DAY")).total == 0


@pytest.mark.requirement("DATA-24")
async def test_friends_are_no_measure_by_days_that_nobody_believes(
    step: Service, mysql_url: str, redis_url: str
) -> None:
    me, cheat, only_cheat = someone(), someone(), someone()
    for friend in (cheat, only_cheat):
        await befriend(step, me, friend, since=NOW - timedelta(days=400))
    ago = (TODAY - LAST_MONTH).days
    await walk(step, mysql_url, cheat, {ago: 65_000, ago + 1: 2_000})
    await walk(step, mysql_url, only_cheat, {ago: 65_000})
    asked = {"period": "MONTH", "date": LAST_MONTH.isoformat()}
    friends = (await call(step, f"{STATS}/GetMyStats", me, **asked)).stats.friends
    assert (friends.median, friends.count) == (2_000, 1)
    async with reviewing(mysql_url, redis_url) as reviews:
        await reviews.decide(only_cheat, LAST_MONTH, Verdict.APPROVED, "somebody")
    other = someone()  # medians are kept for a minute
    await befriend(step, other, only_cheat, since=NOW - timedelta(days=400))
    friends = (await call(step, f"{STATS}/GetMyStats", other, **asked)).stats.friends
    assert (friends.median, friends.count) == (65_000, 1)
