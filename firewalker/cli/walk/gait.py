"""How a person moves: bouts of walking at a cadence of their own, and pauses. Pure; chance is handed in."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


class Pace(Enum):
    """A habit of moving: cadence in steps per minute (mean, spread), mean seconds of a bout and of a pause.

    Cadences are the usual bands of gait studies: strolling around 90, walking around 110, running around 165.
    """

    STROLLER = (88.0, 6.0, 40.0, 25.0)
    WALKER = (110.0, 7.0, 90.0, 15.0)
    ERRANDS = (100.0, 10.0, 25.0, 20.0)
    RUNNER = (164.0, 5.0, 240.0, 10.0)
    SITTER = (80.0, 8.0, 12.0, 70.0)


_HOW_COMMON = {Pace.STROLLER: 3, Pace.WALKER: 5, Pace.ERRANDS: 4, Pace.RUNNER: 1, Pace.SITTER: 3}


class Gait:
    """One person's movement. `steps` moves time on and tells how many steps were made."""

    def __init__(self, random: Random, pace: Pace | None = None, speed: float = 1.0) -> None:
        """*speed* multiplies the cadence: 1 is real life, more makes a short demonstration lively."""
        self.pace = pace or random.choices(list(_HOW_COMMON), list(_HOW_COMMON.values()))[0]
        self._random = random
        self._speed = speed
        self._walking = random.random() < 0.6  # noqa: PLR2004 - most are on their way when they open the app
        self._left_s = 0.0
        self._cadence = 0.0
        self._carry = 0.0
        self._next_phase()

    def steps(self, elapsed_s: float) -> int:
        """Whole steps made in the next *elapsed_s* seconds; the fraction is carried over."""
        made = self._carry
        while elapsed_s > 0:
            part = min(elapsed_s, self._left_s)
            if self._walking:
                made += part * self._cadence / 60 * self._speed
            elapsed_s -= part
            self._left_s -= part
            if self._left_s <= 0:
                self._walking = not self._walking
                self._next_phase()
        whole = int(made)
        self._carry = made - whole
        return whole

    def _next_phase(self) -> None:
        mean, spread, bout_s, pause_s = self.pace.value
        self._left_s = 1 + self._random.expovariate(1 / (bout_s if self._walking else pause_s))
        self._cadence = max(40.0, self._random.gauss(mean, spread))
