"""Reading a leaderboard once. Watching one is in `boards`."""

from dataclasses import dataclass
from datetime import date

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.day import to_ms
from firewalker.step.domain.leaderboard import (
    Row,
    arranged,
    as_seen,
    board_date,
    require_in_range,
    standing_of,
)
from firewalker.step.domain.visibility import Visibility
from firewalker.step.live.known import KnownTotals
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

    def __init__(self, circles: Circles, known: KnownTotals, clock: Clock) -> None:
        self._circles = circles
        self._known = known
        self._clock = clock

    async def of_friends(self, viewer: UserId, asked: date | None) -> FriendBoard:
        """The viewer and their friends on the date asked for, by default the viewer's today.

        As current as `KnownTotals.read`: other processes' readings show when they are heard of.

        Raises:
            DateOutOfRange: No board of that date can be read now.
            DatabaseUnavailable, DeadlineExceeded, Overloaded: Friends or totals could not be read.
        """
        circle = await self._circles.of(viewer)
        now = self._clock.now()
        day = board_date(asked, circle, now)
        require_in_range(day, now)
        people = circle.members(day, now)
        totals = await self._known.read(day, [person.user_id for person in people])
        now_ms, me = to_ms(now), viewer.bytes
        standings = [
            as_seen(
                standing_of(person, day, totals.get(person.user_id), now_ms),
                circle.sight(person.user_id),
                own=person.user_id == me,
            )
            for person in people
        ]
        return FriendBoard(day, me, arranged(standings))

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


def _befriended(circle: Circle, user: bytes) -> bool:
    return any(person.user_id == user for person in circle.people)
