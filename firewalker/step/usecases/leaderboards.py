"""Reading a leaderboard once. Watching one is in `boards`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database
from firewalker.step.domain.circle import Circle, Person
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.leaderboard import (
    Freshness,
    Frozen,
    Row,
    Standing,
    State,
    arranged,
    as_seen,
    board_date,
    require_in_range,
    require_readable,
    standing_of,
)
from firewalker.step.domain.visibility import Visibility
from firewalker.step.live.known import KnownTotals
from firewalker.step.store import boards
from firewalker.step.usecases.circles import Circles


@dataclass(frozen=True, slots=True)
class FriendBoard:
    """The board of a date as one walker, *me* (16-byte id), sees it now."""

    day: date
    me: bytes
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a subject stands to a viewer on a date."""

    subject_leads: bool
    """Whether both have a rank and the subject has more steps."""
    visibility: Visibility
    """What the viewer sees of the subject."""
    open: bool
    """Whether the date is not over for the viewer."""


class Leaderboards:
    """Puts boards together from friend sets and totals."""

    def __init__(self, database: Database, circles: Circles, known: KnownTotals, clock: Clock) -> None:
        self._database = database
        self._circles = circles
        self._known = known
        self._clock = clock

    async def of_friends(self, viewer: UserId, asked: date | None) -> FriendBoard:
        """The viewer and their friends on the date asked for, by default the viewer's today.

        As current as `KnownTotals.read`: other processes' readings show when they are heard of. A frozen board is read
        from MySQL as it was frozen; until that is done, some minutes after its time, it is what will be frozen.

        Raises:
            DateOutOfRange: No board of that date can be read now.
            DatabaseUnavailable, DeadlineExceeded, Overloaded: Friends or totals could not be read.
        """
        circle = await self._circles.of(viewer)
        now = self._clock.now()
        day = board_date(asked, circle, now)
        require_readable(day, now)
        stands = await self._frozen(circle, viewer, day, now)
        if stands is not None:
            return stands
        people = circle.members(day, now)
        totals = await self._known.read(day, [person.user_id for person in people])
        return board_of(circle, day, totals, now)

    async def frozen(self, viewer: UserId, day: date) -> FriendBoard | None:
        """The board of *day* as it was frozen; None if it was not, or not yet.

        Raises:
            DateOutOfRange: The board of that date cannot be watched.
            DatabaseUnavailable, DeadlineExceeded, Overloaded: It could not be read.
        """
        now = self._clock.now()
        require_in_range(day, now)
        return await self._frozen(await self._circles.of(viewer), viewer, day, now)

    async def _frozen(self, circle: Circle, viewer: UserId, day: date, now: datetime) -> FriendBoard | None:
        if not circle.is_frozen(day, now):
            return None
        frozen = await self._database.lasting(lambda tx: boards.find(tx, viewer, day))
        return None if frozen is None else frozen_board(circle, day, frozen)

    async def compare(self, viewer: UserId, subject: UserId, day: date) -> Comparison:
        """How *subject* stands to *viewer* at this moment.

        Raises:
            DatabaseUnavailable, DeadlineExceeded, Overloaded: Friends or totals could not be read.
        """
        circle = await self._circles.of(viewer)
        me, other = viewer.bytes, subject.bytes
        totals = await self._known.read(day, [me, other])
        mine, theirs = totals.get(me), totals.get(other)
        leads = mine is not None and theirs is not None and theirs.total > mine.total
        return Comparison(
            subject_leads=leads and not any(total.held for total in totals.values()),
            visibility=circle.sight(other) if _befriended(circle, other) else Visibility.HIDDEN,
            open=self._clock.now() < circle.midnight(day),
        )


def board_of(
    circle: Circle, day: date, totals: Mapping[bytes, UserTotal], now: datetime, *, members: Iterable[Person] = ()
) -> FriendBoard:
    """The board of *day* from the totals of its *members*, looked up if left out, as whose circle it is sees it."""
    me, now_ms = circle.me.user_id, to_ms(now)
    standings = [
        as_seen(
            standing_of(person, day, totals.get(person.user_id), now_ms),
            circle.sight(person.user_id),
            own=person.user_id == me,
        )
        for person in members or circle.members(day, now)
    ]
    return FriendBoard(day, me, arranged(standings))


def frozen_board(circle: Circle, day: date, frozen: Iterable[Frozen]) -> FriendBoard:
    """The board of *day* as it was frozen: ranks and steps for good, under the names that people have now.

    Who is no friend any more is not shown, and who hides now is HIDDEN; the ranks of the others stay as they are.
    """
    me = circle.me.user_id
    people = {person.user_id: person for person in circle.people}
    rows = []
    for user, rank, steps, state, goal_reached in frozen:
        person = people.get(user)
        if person is None:
            continue
        freshness = Freshness.NONE if state in (State.NO_DATA, State.HIDDEN) else Freshness.STALE
        standing = as_seen(
            Standing(int(rank == 0), -steps, 0, user, state, freshness, goal_reached, person),
            circle.sight(user),
            own=user == me,
        )
        rows.append(Row(0 if standing.unranked else rank, standing))
    return FriendBoard(day, me, sorted(rows, key=_unranked))


def _unranked(row: Row) -> int:
    return row.standing.unranked


def _befriended(circle: Circle, user: bytes) -> bool:
    return any(person.user_id == user for person in circle.people)
