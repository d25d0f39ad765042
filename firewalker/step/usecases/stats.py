"""The caller's own statistics, and how they compare. Drawing them is `charts`' work."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from weakref import ReferenceType, ref

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.kernel.zone_history import ZoneHistory
from firewalker.runtime.mysql import Database, Transaction
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.day import State, state
from firewalker.step.domain.goal import Goals
from firewalker.step.domain.period import Period, Span, require_askable, span_before, span_of
from firewalker.step.domain.stats import (
    STREAK_DAYS,
    Point,
    Streaks,
    Summary,
    by_date,
    by_hour,
    change_percent,
    median,
    streaks,
    summary,
)
from firewalker.step.domain.visibility import Visibility, steps_seen
from firewalker.step.store import goals as goals_store
from firewalker.step.store import history
from firewalker.step.store.keys import UserDate
from firewalker.step.usecases.circles import Circles
from firewalker.step.usecases.zones import Zones

MAX_KEPT = 10_000
"""Medians kept, some 500 bytes each; the oldest go first."""

KEPT_S = 60.0
"""How long a median of friends is used. It moves slowly, and a year of 500 friends costs MySQL half a second."""

MEDIANS_AT_ONCE = 2
"""Medians that MySQL works at in one process; the others wait their turn, within their deadlines."""


@dataclass(frozen=True, slots=True)
class FriendsMedian:
    """The middle one of the averages of *count* friends."""

    median: int
    count: int


@dataclass(frozen=True, slots=True)
class MyStats:
    """A walker's numbers for one period."""

    period: Period
    span: Span
    series: list[Point]
    summary: Summary
    streaks: Streaks
    before: Span
    summary_before: Summary
    change_percent: int | None
    friends: FriendsMedian


class Stats:
    """Puts statistics together from daily totals and goals."""

    def __init__(self, database: Database, circles: Circles, zones: Zones, clock: Clock) -> None:
        self._database = database
        self._circles = circles
        self._zones = zones
        self._clock = clock
        self._medians = _Medians(database, clock)

    async def mine(self, caller: UserId, period: Period, asked: date | None, *, compared: bool = True) -> MyStats:
        """The caller's statistics of the *period* that the date asked for, by default their today, is in.

        Without *compared* they are not compared with friends'.

        Raises:
            StatsDateOutOfRange: There can be none of that date.
            DatabaseUnavailable, DeadlineExceeded, Overloaded: They could not be read.
        """
        zones, now = await self._zones.of(caller), self._clock.now()
        today = zones.today(now)
        day = today if asked is None else asked
        require_askable(day, now)
        span = span_of(period, day)
        before = span_before(period, span)
        settled = last_settled(zones, now)
        first_for_streaks = settled - timedelta(days=STREAK_DAYS - 1)
        user = caller.bytes

        async def read(tx: Transaction) -> tuple[Goals, dict[date, int], Sequence[int] | None]:
            found = await goals_store.find_of(tx, [user], since=min(before.first, first_for_streaks))
            # Nobody's clock is further ahead than that.
            totals = await history.list_totals(tx, user, first_for_streaks, today + timedelta(days=2))
            if before.first < first_for_streaks:
                earlier = min(span.last, first_for_streaks - timedelta(days=1))
                totals |= await history.list_totals(tx, user, before.first, earlier)
            counts = await history.find_counts(tx, user, day) if period is Period.DAY else None
            return found.get(user, Goals()), totals, counts

        goals, totals, counts = await self._database.fresh(read)
        series = by_hour(day, counts, goals.as_of(day)) if period is Period.DAY else by_date(span, totals, goals)
        mine, mine_before = summary(span, totals), summary(before, totals)
        return MyStats(
            period=period,
            span=span,
            series=series,
            summary=mine,
            streaks=streaks(totals, goals, settled),
            before=before,
            summary_before=mine_before,
            change_percent=change_percent(mine_before, mine),
            friends=await self._medians.of(await self._circles.of(caller), span) if compared else FriendsMedian(0, 0),
        )


def last_settled(zones: ZoneHistory, now: datetime) -> date:
    """The last date that is FINAL for who lives in *zones*."""
    day = zones.today(now) - timedelta(days=1)
    while state(day, zones.on(day), now) is not State.FINAL:
        day -= timedelta(days=1)
    return day


class _Medians:
    """Medians of friends, each computed by MySQL and used for `KEPT_S`, or until the friends are others."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._turns = asyncio.Semaphore(MEDIANS_AT_ONCE)
        self._kept: OrderedDict[tuple[bytes, Span], tuple[ReferenceType[Circle], float, FriendsMedian]] = OrderedDict()
        """By when they were computed. Circles are only compared with: kept, they would take 50 KiB for 100 friends."""

    async def of(self, circle: Circle, span: Span) -> FriendsMedian:
        key = circle.me.user_id, span
        kept, now = self._kept.get(key), self._clock.monotonic()
        if kept is not None and kept[0]() is circle and now - kept[1] <= KEPT_S:
            return kept[2]
        spans = [
            (friend.person.user_id, Span(first, span.last))
            for friend in circle.friends
            if circle.sight(friend.person.user_id) <= Visibility.ROUNDED
            and (first := max(span.first, circle.me.zones.today(friend.since))) <= span.last
        ]
        sums = await self._believed(spans) if spans else {}
        averages = [steps_seen(found.steps // found.days, circle.sight(user)) for user, found in sums.items()]
        middle = FriendsMedian(median(averages), len(averages))
        self._kept[key] = ref(circle), now, middle
        self._kept.move_to_end(key)
        while len(self._kept) > MAX_KEPT or now - next(iter(self._kept.values()))[1] > KEPT_S:
            self._kept.popitem(last=False)
        return middle

    async def _believed(self, spans: Sequence[history.UserSpan]) -> dict[bytes, history.Sum]:
        """What each user comes to on days that nobody doubts: one that is held is no measure for others."""

        async def read(tx: Transaction) -> tuple[dict[bytes, history.Sum], dict[UserDate, int]]:
            sums = await history.sum_up(tx, spans)
            return sums, await history.find_held(tx, spans, {user for user, sum_ in sums.items() if sum_.doubtful})

        async with self._turns:
            # They are used for a minute: some seconds more change nothing.
            sums, held = await self._database.recent(read)
        for (user, _), steps in held.items():
            history.take_out(sums, user, steps)
        return sums
