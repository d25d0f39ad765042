"""A small world for tests: three friends in three zones with two devices each, and what their days must be.

The model says every rule of the contract once more, without regard to speed: per device what it told, per date whether it
told it in time, and a correction as a value and a base.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from firewalker.kernel.days import day_end
from firewalker.kernel.ids import UserId
from firewalker.step.domain.correction import CAPS
from firewalker.step.domain.day import HOURS, SETTLING, SLOTS, WHOLE_DATE
from tests.service.step.reading import someone

DEVICES = ("phone", "watch")
Cell = tuple[date, int]


@dataclass
class Device:
    """Counts up, forgets all of it when it starts anew, and tells what it has."""

    counts: dict[Cell, int] = field(default_factory=dict)

    def count(self, day: date, hour: int, steps: int) -> None:
        for slot in (hour, WHOLE_DATE):
            self.counts[day, slot] = self.counts.get((day, slot), 0) + steps


@dataclass
class Told:
    """What one device told of one date, as one view of it (the owner's, or that of standings) has it."""

    raw: list[int] = field(default_factory=lambda: [0] * SLOTS)
    values: list[int] = field(default_factory=lambda: [0] * SLOTS)
    bases: list[int] = field(default_factory=lambda: [0] * SLOTS)
    any: bool = False

    def tell(self, slot: int, steps: int) -> None:
        self.any = True
        if self.bases[slot] < CAPS[slot]:
            self.raw[slot] = max(self.raw[slot], steps)

    def correct(self, hours: list[int], over: list[bool]) -> None:
        whole = max(self.raw[WHOLE_DATE], sum(self.raw[:HOURS]))
        so_far = [*self.raw[:HOURS], whole]
        pinned = [over[slot] or self.bases[slot] >= CAPS[slot] for slot in range(SLOTS)]
        self.bases = [CAPS[slot] if pinned[slot] else so_far[slot] for slot in range(SLOTS)]
        self.values = [*hours, sum(hours)]
        # What it counted for the whole date is covered up to the base, whatever it told of that.
        self.raw[WHOLE_DATE] = max(self.raw[WHOLE_DATE], whole)

    def counts(self) -> list[int]:
        return [value + max(0, raw - base) for value, raw, base in zip(self.values, self.raw, self.bases, strict=True)]


@dataclass
class Person:
    """Somebody who walks, and what they must be shown."""

    zone: ZoneInfo
    user: UserId = field(default_factory=someone)
    devices: dict[str, Device] = field(default_factory=lambda: {name: Device() for name in DEVICES})
    standing: dict[tuple[date, str], Told] = field(default_factory=dict)
    """What was told in time."""
    own: dict[tuple[date, str], Told] = field(default_factory=dict)
    """All of it."""

    def is_final(self, day: date, now: datetime) -> bool:
        return now >= day_end(day, self.zone) + SETTLING

    def tell(self, day: date, device: str, slot: int, steps: int, now: datetime) -> None:
        views = [self.own] if self.is_final(day, now) else [self.own, self.standing]
        for view in views:
            view.setdefault((day, device), Told()).tell(slot, steps)

    def correct(self, day: date, device: str, hours: list[int], now: datetime) -> None:
        midnight = datetime.combine(day, datetime.min.time(), self.zone)
        ends = [midnight.replace(tzinfo=None) + timedelta(hours=hour + 1) for hour in range(HOURS)]
        over = [*(end.replace(tzinfo=self.zone).timestamp() <= now.timestamp() for end in ends), False]
        over[WHOLE_DATE] = now >= day_end(day, self.zone)
        views = [self.own] if self.is_final(day, now) else [self.own, self.standing]
        for view in views:
            if (day, device) in view:
                view[day, device].correct(hours, over)

    def days(self) -> list[date]:
        return sorted({day for day, _ in self.own})


def merged(view: dict[tuple[date, str], Told], day: date) -> tuple[int, int, int]:
    """A date's total, the most that one device makes of it, and what all of them make together."""
    counts = [told.counts() for (of, _), told in view.items() if of == day]
    best = [max(slot) for slot in zip(*counts, strict=True)]
    each = [max(sum(one[:HOURS]), one[WHOLE_DATE]) for one in counts]
    return max(sum(best[:HOURS]), best[WHOLE_DATE]), max(each), sum(each)


def believable(view: dict[tuple[date, str], Told], day: date) -> bool:
    """Whether nobody has to look at it first."""
    counts = [told.counts() for (of, _), told in view.items() if of == day]
    best = [max(slot) for slot in zip(*counts, strict=True)]
    runs = any(all(steps > 12_000 for steps in best[hour : hour + 3]) for hour in range(HOURS - 2))
    return not runs and merged(view, day)[0] <= 60_000
