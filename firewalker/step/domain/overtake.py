"""Overtakes: when a walker has passed another for good, and how often anybody is told of such things. Pure."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

LEAD_STEPS = 100
"""A lead of fewer steps than this is none (contract)."""

LEAD_SHARE = 100
"""And neither is one of less than one in so many of the passed one's steps (contract: 1 %)."""

HELD_S = 30.0
"""How long a lead has to be held (contract), unless the service is told otherwise."""

PAIR_PAUSE = timedelta(hours=2)
"""How often two walkers make news of each other at most, whoever passes whom (contract)."""

MOST_A_DAY = 6
"""How much of such news one receiver gets for one date (contract)."""


class Walked(NamedTuple):
    """Steps that a walker has just made, live, and that are durable."""

    user: bytes
    day: date
    total: int
    """Of the day, after them."""
    gain: int
    """By how many steps the total rose by LIVE readings; what rose otherwise passes nobody."""


def leads(mine: int, theirs: int) -> bool:
    """Whether that is a lead at all."""
    ahead = mine - theirs
    return ahead >= LEAD_STEPS and ahead * LEAD_SHARE >= theirs


def crossed(before: int, after: int, theirs: int) -> bool:
    """Whether walking from *before* to *after* leads past *theirs*. Who has not set out is not passed."""
    return before <= theirs < after and theirs > 0


@dataclass(slots=True, eq=False)
class Pursuit:
    """A walker who got past another, and may stay there."""

    day: date
    walker: bytes
    passed: bytes
    mine: int
    """The walker's steps, as last heard."""
    theirs: int
    """The passed one's."""
    until: float
    """When the walker's day is over, on the clock that `follow` is told."""
    since: float | None = None
    """Since when there is a lead; None while it is not large enough."""

    def follow(self, now: float) -> bool:
        """Take in that steps have changed by *now*; False once the walker is not in front any more."""
        if self.mine <= self.theirs or now >= self.until:
            return False
        if not leads(self.mine, self.theirs):
            self.since = None
        elif self.since is None:
            self.since = now
        return True

    def held(self, now: float, for_s: float) -> bool:
        """Whether the lead has been held for so long."""
        return self.since is not None and now - self.since >= for_s


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A walker has passed another, who is to be told."""

    walker: bytes
    passed: bytes
    day: date
    took_first_place: bool
    """Among the walker's friends; the walker is to be told."""
