"""What people have walked on many days: rows as the ingest would have stored them by the end of each day. Pure.

Everybody has a habit: when they get up, how much they walk, which devices they carry. Readings arrive hour by hour, the
phone's before the watch's; the rows are what the merge leaves of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from firewalker.step.domain.day import HOURS, SLOTS, WHOLE_DATE, to_ms
from firewalker.step.domain.reading import Source
from firewalker.step.ingest.known import Merged
from firewalker.step.store.days import Rise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date
    from random import Random

MOST_IN_AN_HOUR = 12_000
"""Below what is refused (15 000) and where three hours in a row would be suspect."""

HAS_WATCH = 0.3
HAS_AGGREGATOR = 0.1
"""Share of people with a health platform that tells whole days."""

FORGOTTEN = 0.04
"""Share of days without any reading."""

SYNC = timedelta(minutes=3)
"""How long after an hour its readings arrive."""

_PEAKS = {8: 3.0, 9: 1.5, 12: 2.5, 13: 1.5, 17: 1.5, 18: 3.0, 19: 2.0}
"""Hours of an ordinary day in which more is walked than in others."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How one person lives."""

    user: bytes
    """The id's 16 bytes."""
    zone: ZoneInfo
    steps: int
    """On an ordinary day."""
    up: int
    """The first hour of the day."""
    watch: bool
    aggregator: bool


class Arrival(NamedTuple):
    """A reading as it comes in."""

    device_id: str
    source: Source
    slot: int
    steps: int
    """Counted so far in that hour, or on that date."""
    at_ms: int


def habit(user: bytes, zone: str, random: Random) -> Habit:
    """Somebody's habit: from 3 000 to 16 000 steps a day, most around 7 000."""
    return Habit(
        user,
        ZoneInfo(zone),
        steps=min(max(int(random.lognormvariate(8.85, 0.4)), 3_000), 16_000),
        up=random.randint(5, 8),
        watch=random.random() < HAS_WATCH,
        aggregator=random.random() < HAS_AGGREGATOR,
    )


def device_days(one: Habit, dates: Iterable[date], now: datetime, random: Random) -> Iterator[Rise]:
    """The rows of one person: per date and device the last count of every hour, and when it last made the total rise.

    All of it arrived while the day was open, so no row is late.
    """
    for day in dates:
        counts: dict[str, list[int]] = {}
        last: dict[str, Arrival] = {}
        reached_ms: dict[str, int] = {}
        merged = Merged()
        for arrival in arrivals(one, day, now, random):
            device_id = arrival.device_id
            counts.setdefault(device_id, [0] * SLOTS)[arrival.slot] = arrival.steps
            last[device_id] = arrival
            if merged.lift(arrival.slot, arrival.steps):
                reached_ms[device_id] = arrival.at_ms
        for device_id, found in counts.items():
            yield Rise(
                one.user, day, device_id, late=False, source=int(last[device_id].source),
                last_reading_ms=last[device_id].at_ms, reached_ms=reached_ms.get(device_id, 0), revision=0,
                counts=tuple(found),
            )  # fmt: skip


def arrivals(one: Habit, day: date, now: datetime, random: Random) -> Iterator[Arrival]:
    """The readings of one person and date, as they come in: nothing of an hour that is not over at *now*."""
    if random.random() < FORGOTTEN:
        return
    walked = 0
    for hour, steps in _hours(one, random):
        over = datetime.combine(day, time(hour), one.zone).astimezone(UTC) + timedelta(hours=1) + SYNC
        if over > now:
            return
        walked += steps
        at_ms = to_ms(over)
        yield Arrival("phone", Source.SENSOR, hour, round(steps * random.uniform(0.7, 1.0)), at_ms)
        if one.watch:
            yield Arrival("watch", Source.WEARABLE, hour, round(steps * random.uniform(0.95, 1.0)), at_ms)
        if one.aggregator:
            yield Arrival("health", Source.AGGREGATOR, WHOLE_DATE, walked, at_ms)


def _hours(one: Habit, random: Random) -> Iterator[tuple[int, int]]:
    """Hours with steps, in their order."""
    weights = {hour: _PEAKS.get(hour, 0.6) * random.uniform(0.3, 1.7) for hour in range(one.up, HOURS - 1)}
    share = one.steps * random.uniform(0.4, 1.6) / sum(weights.values())
    for hour, weight in weights.items():
        steps = min(round(weight * share), MOST_IN_AN_HOUR)
        if steps:
            yield hour, steps
