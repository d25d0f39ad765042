"""Corrections: what a device's counts are taken for after its owner has put them right. The only way down.

A device goes on counting as before: it is what its counts *are taken for* that changes. With a value and a base for each
slot, a count is taken for value + what was counted beyond base; so later walking adds, and repeats do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from firewalker.kernel.days import day_end, hour_end
from firewalker.step.domain.day import HOURS, SLOTS, WHOLE_DATE
from firewalker.step.domain.reading import MAX_DAILY_STEPS, MAX_HOURLY_STEPS

CAPS: Sequence[int] = (*[MAX_HOURLY_STEPS] * HOURS, MAX_DAILY_STEPS)
"""The most that a device can have counted in each slot. A base of that much pins the slot: nothing can exceed it."""

MOST_CORRECTIONS = 200
"""Corrections and reviews of one user's date: its revision travels in two bytes, and nobody errs that often."""

MAX_REASON = 200
"""Characters of the reason that a correction is made for."""


@dataclass(frozen=True, slots=True)
class Correction:
    """The last correction of one device's date. 25 numbers each: the hours and the whole date."""

    values: tuple[int, ...]
    """What the owner says that was walked."""
    bases: tuple[int, ...]
    """Up to where the device's counts are covered by that: what it had counted, the cap where the time was over."""
    counted: tuple[int, ...]
    """What the device had counted by then, as far as is known: of a pinned slot no more is kept."""

    def pinned(self, slot: int) -> bool:
        """Whether no reading changes *slot* any more."""
        return self.bases[slot] >= CAPS[slot]

    def taken_for(self, slot: int, counted: int) -> int:
        """What *counted* steps in *slot* are taken for. Grows with *counted*, so that the larger count still wins."""
        return self.values[slot] + max(0, counted - self.bases[slot])


def over(day: date, zone: ZoneInfo, now: datetime) -> tuple[bool, ...]:
    """Which of the 25 slots of *day* are over at *now* for somebody in *zone*: nothing more is walked in them."""
    return (*(hour_end(day, hour, zone) <= now for hour in range(HOURS)), day_end(day, zone) <= now)


def correct(
    counts: Sequence[int], last: Correction | None, hours: Sequence[int], over: Sequence[bool]
) -> tuple[Correction, tuple[int, ...]]:
    """Take a device's date for *hours* from now on; *counts* are what it is taken for until now, after correction *last*.

    Answers the correction, and what the counts are taken for with it: its values.
    """
    counted = _counted(counts, last)
    values = (*hours, sum(hours))
    # A device may begin to tell whole-date counts only now: what its hours say is covered as well.
    so_far = (*counted[:HOURS], max(counted[WHOLE_DATE], sum(counted[:HOURS])))
    # What was over stays so: nothing that was told of it since is known.
    pinned = [over[slot] or (last is not None and last.pinned(slot)) for slot in range(SLOTS)]
    bases = tuple(CAPS[slot] if pinned[slot] else so_far[slot] for slot in range(SLOTS))
    return Correction(values, bases, counted), values


def _counted(counts: Sequence[int], last: Correction | None) -> tuple[int, ...]:
    """What the device has counted, from what that is taken for."""
    if last is None:
        return tuple(counts)
    return tuple(
        last.counted[slot] if last.pinned(slot) else last.bases[slot] + counts[slot] - last.values[slot]
        for slot in range(SLOTS)
    )
