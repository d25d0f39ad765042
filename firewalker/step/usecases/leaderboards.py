"""Reading a leaderboard once. Watching one is in `boards`."""

from dataclasses import dataclass
from datetime import date

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.step.domain.circle import Person
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.goal import Reached
from firewalker.step.domain.leaderboard import (
    Row,
    Standing,
    arranged,
    as_seen,
    board_date,
    no_data,
    ranked,
    require_in_range,
)
from firewalker.step.live.known import KnownTotals
from firewalker.step.usecases.circles import Circles


@dataclass(frozen=True, slots=True)
class FriendBoard:
    """The board of a date as one walker, *me* (16-byte id), sees it now."""

    day: date
    me: bytes
    rows: list[Row]


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
                standing_of(day, person, totals.get(person.user_id), now_ms),
                circle.sight(person.user_id),
                own=person.user_id == me,
            )
            for person in people
        ]
        return FriendBoard(day, me, arranged(standings))


def standing_of(day: date | None, person: Person, total: UserTotal | None, now_ms: int) -> Standing:
    """The walker's standing with *total*: that of *day*, or of several days, for which there is no goal."""
    if total is None:
        return no_data(person)
    steps, reached_ms, last_ms, _ = total
    goal_reached = Reached.NO if day is None else person.goals.reached(day, steps)
    return ranked(person, steps, reached_ms, last_ms, now_ms, goal_reached=goal_reached)
