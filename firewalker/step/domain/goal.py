"""Goals: how many steps a day a walker wants, as of each date. Pure; whose today it is, is handed in."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum

from firewalker.kernel.ids import UserId
from firewalker.step.domain.faults import GoalOutOfRange

FEWEST_STEPS = 100
"""Smallest goal, in steps a day (contract)."""

MOST_STEPS = 100_000
"""Largest goal, in steps a day (contract)."""


class Reached(IntEnum):
    """Whether a date's goal is reached, and who may know."""

    NO = 0
    """Not reached, or there is none."""
    PRIVATELY = 1
    """Reached, and only the walker may know."""
    OPENLY = 2
    """Reached, and friends may know."""


@dataclass(frozen=True, slots=True)
class Goals:
    """A walker's goals over time: past dates keep the goal that they had."""

    history: tuple[tuple[date, int], ...] = ()
    """From which date on how many steps are wanted, oldest first. What is left out at the front is not known here."""
    shared: bool = False
    """Whether friends may know of the goal; for all dates alike."""

    def as_of(self, day: date) -> int:
        """The steps wanted on *day*; 0 if there is no goal for it."""
        for first_date, daily_steps in reversed(self.history):
            if first_date <= day:
                return daily_steps
        return 0

    def daily(self, first: date, count: int) -> list[int]:
        """The steps wanted on each of *count* dates from *first* on; 0 where there is no goal."""
        wanted, start = [0] * count, first.toordinal()
        for first_date, daily_steps in self.history:
            position = max(first_date.toordinal() - start, 0)
            wanted[position:] = [daily_steps] * (count - position)
        return wanted

    def reached(self, day: date, steps: int) -> Reached:
        """Whether *steps* are enough for *day*."""
        if not self.history or not 0 < self.as_of(day) <= steps:
            return Reached.NO
        return Reached.OPENLY if self.shared else Reached.PRIVATELY

    def changed(self, daily_steps: int, *, shared: bool, today: date) -> "Goals":
        """These goals after *daily_steps* were set on the walker's *today*: from tomorrow on, the first one from today on.

        What was to count later than that does not any more: a walker who has travelled west may have set a goal for a
        date that is further away now.

        Raises:
            GoalOutOfRange: Not 100 to 100 000 steps.
        """
        if not FEWEST_STEPS <= daily_steps <= MOST_STEPS:
            raise GoalOutOfRange
        first_date = today + timedelta(days=1) if self.history else today
        kept = tuple(entry for entry in self.history if entry[0] < first_date)
        if kept and kept[-1][1] == daily_steps:
            return Goals(kept, shared)
        return Goals((*kept, (first_date, daily_steps)), shared)


NO_GOALS = Goals()
"""Of a walker who never set one."""


@dataclass(frozen=True, slots=True)
class GoalSet:
    """A goal was set, or is shared where it was not, or the other way round."""

    user_id: UserId
    daily_steps: int
    shared: bool
    first_date: date
    at: datetime


@dataclass(frozen=True, slots=True)
class GoalReached:
    """A walker reached the goal of a date that is still open."""

    user_id: bytes
    """16 bytes, as the two below."""
    nickname: str
    avatar_url: str
    day: date
    daily_steps: int
    told: tuple[bytes, ...]
    """Friends who may know of it."""
    at: datetime
