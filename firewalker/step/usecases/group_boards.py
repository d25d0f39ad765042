"""Boards of groups, read once; and what members come to in a period, for those who watch one too (`boards`)."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import NamedTuple

from firewalker.kernel.clock import Clock
from firewalker.kernel.days import latest_date
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, Transaction
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.group import GroupCircle, GroupId
from firewalker.step.domain.leaderboard import arranged, as_seen, standing_of
from firewalker.step.domain.period import Period, require_askable
from firewalker.step.live.known import KnownTotals
from firewalker.step.store import goals, history
from firewalker.step.store.keys import UserDate
from firewalker.step.usecases.circles import GOALS_BACK
from firewalker.step.usecases.group_circles import GroupCircles
from firewalker.step.usecases.leaderboards import FriendBoard


class Walked(NamedTuple):
    """What somebody with data walked on the dates of a board."""

    settled: UserTotal | None
    """On those that are final everywhere; None without data."""
    open: dict[date, UserTotal]
    """On each of the others."""

    @property
    def total(self) -> UserTotal:
        """All of them together."""
        parts = [*self.open.values()] if self.settled is None else [self.settled, *self.open.values()]
        return reduce(added, parts)


class GroupBoards:
    """Puts boards of groups together from members and totals: final dates from MySQL, the others as live as they are."""

    def __init__(self, circles: GroupCircles, known: KnownTotals, database: Database, clock: Clock) -> None:
        self._circles = circles
        self._known = known
        self._database = database
        self._clock = clock

    async def read(self, viewer: UserId, group_id: GroupId, period: Period, asked: date | None) -> FriendBoard:
        """The board of the period that the date asked for, by default the viewer's today, is in.

        Raises:
            GroupNotFound: The viewer is in no such group.
            StatsDateOutOfRange: There can be no board of that date.
            DatabaseUnavailable, DeadlineExceeded, Overloaded: Members or totals could not be read.
        """
        circle = await self.circle(viewer, group_id, period, asked)
        totals = await self.totals(circle, [person.user_id for person in circle.shown])
        now_ms, me = to_ms(self._clock.now()), viewer.bytes
        day = circle.span.first if period is Period.DAY else None
        standings = [
            as_seen(
                standing_of(person, day, totals.get(person.user_id), now_ms),
                circle.sight(person.user_id),
                own=person.user_id == me,
            )
            for person in circle.shown
        ]
        return FriendBoard(circle.span.first, me, arranged(standings))

    async def circle(self, viewer: UserId, group_id: GroupId, period: Period, asked: date | None) -> GroupCircle:
        """Who is on that board, with the goals as of its date. Raises as `read`."""
        if asked is not None:
            require_askable(asked, self._clock.now())
        return await self.circle_again(viewer, group_id, period, asked)

    async def circle_again(self, viewer: UserId, group_id: GroupId, period: Period, day: date | None) -> GroupCircle:
        """The same for a board that is watched, by any of its dates: what was asked for was judged when it was opened.

        The week of the earliest date that can be asked for begins before it.
        """
        circle = await self._circles.of(viewer, group_id, period, day)
        return await self._with_goals(circle) if period is Period.DAY else circle

    async def _with_goals(self, circle: GroupCircle) -> GroupCircle:
        """With the goals as of the board's date, where those that are kept do not reach back so far."""
        day = circle.span.first
        if day >= (self._clock.now() - GOALS_BACK).date():
            return circle
        async with self._database.reading() as tx:
            found = await goals.find_of(tx, [person.user_id for person in circle.shown], since=day)
        return circle.with_goals(found)

    async def totals(self, circle: GroupCircle, users: Collection[bytes]) -> dict[bytes, UserTotal]:
        """What each of *users* comes to on the board; who has no data is left out."""
        walked = await self.walked(circle, users, open_from(self._clock.now()))
        return {user: found.total for user, found in walked.items()}

    async def walked(self, circle: GroupCircle, users: Collection[bytes], first_open: date) -> dict[bytes, Walked]:
        """The same, with the dates from *first_open* on apart, which can still change."""
        wanted = set(users)
        settled = [entry for entry in circle.spans(first_open - timedelta(days=1)) if entry[0] in wanted]
        found: dict[bytes, Walked] = {}
        if settled:

            async def summed(tx: Transaction) -> tuple[dict[bytes, history.Sum], dict[UserDate, int]]:
                sums = await history.sum_up(tx, settled)
                return sums, await history.find_held(
                    tx, settled, {user for user, sum_ in sums.items() if sum_.doubtful}
                )

            sums, held = await self._database.fresh(summed)
            held_users = {user for user, _ in held}
            for user, sum_ in sums.items():
                total = UserTotal(sum_.steps, sum_.reached_ms, sum_.last_reading_ms, held=user in held_users)
                found[user] = Walked(total, {})
        for day in circle.span.dates():
            if first_open <= day <= latest_date(self._clock.now()):
                some = [user for user in users if circle.counts(user, day)]
                for user, total in (await self._known.read(day, some)).items():
                    found.setdefault(user, Walked(None, {})).open[day] = total
        return found


def added(one: UserTotal, other: UserTotal) -> UserTotal:
    """The total of two dates: reached when the later of them was, held while one of them is."""
    return UserTotal(
        one.total + other.total,
        max(one.reached_ms, other.reached_ms),
        max(one.last_reading_ms, other.last_reading_ms),
        one.revision + other.revision,
        one.held or other.held,
    )


def open_from(now: datetime) -> date:
    """The first date that can still change in standings somewhere on Earth: earlier ones are final everywhere."""
    return now.astimezone(UTC).date() - timedelta(days=1)
