"""Statistics of groups, of what the caller sees of the other members."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, Transaction
from firewalker.step.domain.group import GroupCircle, GroupId
from firewalker.step.domain.group_stats import Cell, GroupNumbers, numbers_of
from firewalker.step.domain.period import Period
from firewalker.step.domain.visibility import steps_seen
from firewalker.step.store import history
from firewalker.step.store.keys import UserDate
from firewalker.step.usecases.group_boards import GroupBoards


@dataclass(frozen=True, slots=True)
class GroupStats:
    """The numbers of *circle*'s group in its period."""

    circle: GroupCircle
    axis: list[date]
    """Every date, of a year the first of every month."""
    numbers: GroupNumbers


class StatsOfGroups:
    """Puts the statistics of groups together from daily rows, as standings know them."""

    def __init__(self, boards: GroupBoards, database: Database) -> None:
        self._boards = boards
        self._database = database

    async def of(self, viewer: UserId, group_id: GroupId, period: Period, asked: date | None) -> GroupStats:
        """The statistics of the period that the date asked for, by default the viewer's today, is in.

        Raises:
            GroupNotFound: The viewer is in no such group.
            StatsDateOutOfRange: There can be none of that date.
            DatabaseUnavailable, DeadlineExceeded, Overloaded: They could not be read.
        """
        circle = await self._boards.circle(viewer, group_id, period, asked)
        shown = {person.user_id for person in circle.seen()}
        spans = [entry for entry in circle.spans(circle.span.last) if entry[0] in shown]
        read = history.list_by_month if period is Period.YEAR else history.list_by_date

        async def believed(tx: Transaction) -> Mapping[bytes, Mapping[date, history.Sum]]:
            found = await read(tx, spans)
            doubtful = {user for user, sums in found.items() if any(sum_.doubtful for sum_ in sums.values())}
            return _without(found, await history.find_held(tx, spans, doubtful), by_month=period is Period.YEAR)

        found = await self._database.fresh(believed)
        dates = circle.span.dates()
        axis = [day for day in dates if day.day == 1] if period is Period.YEAR else dates
        seen = {user: _as_seen(circle, user, sums) for user, sums in found.items()}
        hidden = {person.user_id for person in circle.shown} - shown
        return GroupStats(circle, axis, numbers_of(axis, circle.shown, seen, hidden))


def _without(
    found: Mapping[bytes, Mapping[date, history.Sum]], held: Mapping[UserDate, int], *, by_month: bool
) -> dict[bytes, dict[date, history.Sum]]:
    """*found* without the days that are *held*: one that nobody believes yet would be most of the group's numbers."""
    left = {user: dict(sums) for user, sums in found.items()}
    for (user, day), steps in held.items():
        history.take_out(left[user], day.replace(day=1) if by_month else day, steps)
    return left


def _as_seen(circle: GroupCircle, user: bytes, sums: Mapping[date, history.Sum]) -> dict[date, Cell]:
    sight = circle.sight(user)
    return {day: Cell(steps_seen(found.steps, sight), found.days) for day, found in sums.items()}
