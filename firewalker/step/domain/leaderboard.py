"""Leaderboards as values: a walker's standing, the order of standings, competition ranks, freshness, dates. No I/O."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

from firewalker.step.domain.circle import Circle, Person
from firewalker.step.domain.day import UserTotal
from firewalker.step.domain.faults import DateOutOfRange
from firewalker.step.domain.goal import Reached
from firewalker.step.domain.visibility import Visibility, steps_seen

LIVE_MS = 120_000
"""A last reading up to this old, in milliseconds, is LIVE (contract: 2 min)."""

RECENT_MS = 3_600_000
"""A last reading up to this old, in milliseconds, is RECENT (contract: 60 min)."""

DAYS_BACK = 7
"""How many days before the server's (UTC) date a board can be watched: before that, nothing can change any more."""

FIRST_DATE = date(2000, 1, 1)
"""Nobody has counted steps here before."""

DAYS_AHEAD = 1
"""How many days after the server's (UTC) date a board can be read: it is today already in zones ahead of UTC."""


class State(IntEnum):
    """Whether and why a standing has a rank."""

    RANKED = 1
    NO_DATA = 2
    HIDDEN = 3
    UNDER_REVIEW = 4


class Freshness(IntEnum):
    """How old the last reading is."""

    NONE = 0
    LIVE = 1
    RECENT = 2
    STALE = 3


class Standing(NamedTuple):
    """One walker's row of a date, without the rank, which depends on the others.

    The order of the fields is the order of a board: plain tuple comparison sorts standings, and never looks past
    *user_id*, which no two of a board share. Standings are values and shared by all boards that show the walker alike.
    """

    unranked: int
    """1 if the standing has no rank: those come last."""
    behind: int
    """The steps, negated, so that more come first."""
    reached_ms: int
    """Unix milliseconds at which the steps were reached: who got there first stands first."""
    user_id: bytes
    state: State
    freshness: Freshness
    goal_reached: Reached
    person: Person
    sight: Visibility = Visibility.FRIENDS
    """How much of it whoever looks may see. The order is by what is behind; what is shown is `steps`."""

    @property
    def steps(self) -> int:
        """The steps to show."""
        return steps_seen(-self.behind, self.sight)

    def conceals(self, before: "Standing") -> bool:
        """Whether not all of it is shown, and what is shown is the same as *before*: nobody may notice that it moved."""
        return (
            self.sight is not Visibility.FRIENDS
            and self.steps == before.steps
            and self.unranked == before.unranked
            and self[_SHOWN] == before[_SHOWN]
        )


_SHOWN = slice(3, 8)
"""From *user_id* to *person*, the fields of a standing are shown as they are."""


class Row(NamedTuple):
    """A standing and its competition rank on one board; 0 for none."""

    rank: int
    standing: Standing


class Frozen(NamedTuple):
    """A row of a board that stands for good: as its viewer saw it when it was frozen."""

    user_id: bytes
    rank: int
    """0 for none."""
    steps: int
    state: State
    goal_reached: Reached


def freshness(last_reading_ms: int, now_ms: int) -> Freshness:
    """How fresh a last reading is at *now_ms*, both Unix milliseconds. One from the future is LIVE."""
    age = now_ms - last_reading_ms
    if age <= LIVE_MS:
        return Freshness.LIVE
    return Freshness.RECENT if age <= RECENT_MS else Freshness.STALE


def fresh_until(last_reading_ms: int, now_ms: int) -> int | None:
    """The first Unix millisecond at which `freshness` answers otherwise than at *now_ms*; None if it never will."""
    if now_ms - last_reading_ms <= LIVE_MS:
        return last_reading_ms + LIVE_MS + 1
    return last_reading_ms + RECENT_MS + 1 if now_ms - last_reading_ms <= RECENT_MS else None


def ranked(
    person: Person,
    steps: int,
    reached_ms: int,
    last_reading_ms: int,
    now_ms: int,
    *,
    goal_reached: Reached = Reached.NO,
) -> Standing:
    """The standing of somebody who has a reading for the date, be it of 0 steps."""
    fresh = freshness(last_reading_ms, now_ms)
    return Standing(0, -steps, reached_ms, person.user_id, State.RANKED, fresh, goal_reached, person)


def standing_of(person: Person, day: date | None, total: UserTotal | None, now_ms: int) -> Standing:
    """The standing of somebody with that total, None for no reading. What is held has no rank.

    It is the total of *day*; if that is None of several days, for which there is no goal.
    """
    if total is None:
        return no_data(person)
    goal_reached = Reached.NO if day is None else person.goals.reached(day, total.total)
    standing = ranked(person, total.total, total.reached_ms, total.last_reading_ms, now_ms, goal_reached=goal_reached)
    return standing._replace(unranked=1, state=State.UNDER_REVIEW) if total.held else standing


def no_data(person: Person) -> Standing:
    """The standing of somebody without a reading for the date. Not the same as 0 steps."""
    return Standing(1, 0, 0, person.user_id, State.NO_DATA, Freshness.NONE, Reached.NO, person)


def as_seen(standing: Standing, visibility: Visibility, *, own: bool = False) -> Standing:
    """*standing* as somebody with that visibility sees it; *own* if that is the walker.

    Ranks are by the steps walked, whatever is shown of them. That a goal is reached is seen only if it is shared, and
    of a walker who shows the rank alone, not even that, nor how fresh it is.
    """
    if own:
        return standing
    goal_reached = Reached.OPENLY if standing.goal_reached is Reached.OPENLY else Reached.NO
    if visibility is Visibility.FRIENDS:
        return standing if goal_reached is standing.goal_reached else standing._replace(goal_reached=goal_reached)
    if visibility is Visibility.HIDDEN:
        return Standing(1, 0, 0, standing.user_id, State.HIDDEN, Freshness.NONE, Reached.NO, standing.person)
    if visibility is Visibility.RANK_ONLY:
        return standing._replace(freshness=Freshness.NONE, goal_reached=Reached.NO, sight=visibility)
    return standing._replace(goal_reached=goal_reached, sight=visibility)


def rank_in(order: Sequence[Standing], standing: Standing) -> int:
    """The competition rank (1, 1, 3) of *standing* within the sorted *order*: one more than have more steps."""
    return 0 if standing.unranked else bisect_left(order, (0, standing.behind)) + 1


def ranks(part: Iterable[Standing], start: int = 0) -> list[int]:
    """The ranks of *part*, which stands on a sorted board from position *start* on and begins with no tie."""
    found = []
    rank, before = 0, None
    for place, standing in enumerate(part, start + 1):
        behind = standing.behind
        if standing.unranked:
            rank = 0
        elif behind != before:
            rank, before = place, behind
        found.append(rank)
    return found


def rank_all(order: Sequence[Standing]) -> list[Row]:
    """The rows of the sorted *order*, with their ranks."""
    return list(map(Row, ranks(order), order))


def arranged(standings: Iterable[Standing]) -> list[Row]:
    """The rows of a board, best first, those without a rank last."""
    return rank_all(sorted(standings))


def board_date(asked: date | None, circle: Circle, now: datetime) -> date:
    """The date of the board to show: the one asked for, or today in the caller's own zone."""
    return circle.me.zones.today(now) if asked is None else asked


def require_readable(day: date, now: datetime) -> None:
    """Refuse dates that have no board at *now*.

    Raises:
        DateOutOfRange: Before `FIRST_DATE`, or more than 1 day after the UTC date.
    """
    if not FIRST_DATE <= day <= now.astimezone(UTC).date() + timedelta(days=DAYS_AHEAD):
        raise DateOutOfRange


def require_in_range(day: date, now: datetime) -> None:
    """Refuse dates whose boards cannot be watched at *now*.

    Raises:
        DateOutOfRange: Not between 7 days before and 1 day after the UTC date.
    """
    today = now.astimezone(UTC).date()
    if not today - timedelta(days=DAYS_BACK) <= day <= today + timedelta(days=DAYS_AHEAD):
        raise DateOutOfRange
