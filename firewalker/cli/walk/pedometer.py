"""What counts the steps: a phone, for some also a watch, each with a cumulative count per local hour. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from firewalker.gen.pb.firewalker.step.v1 import Reading, ReadingSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from random import Random

MOST_STEPS_IN_AN_HOUR = 9_000
"""A device stops counting here, so that a simulated day stays plausible (contract: 15 000 an hour are refused, three
hours in a row over 12 000 put the day under review)."""

WAKING_HOURS = range(7, 22)

Count = tuple[str, int]
"""A civil date as `YYYY-MM-DD`, and a local hour."""


class Device:
    """One counter. It miscounts by a factor of its own, as counters do."""

    def __init__(self, device_id: str, source: ReadingSource, factor: float) -> None:
        self.device_id = device_id
        self._source = source
        self._factor = factor
        self._exact: dict[Count, float] = {}

    def add(self, at: Count, steps: int) -> None:
        """Count *steps* into the hour *at*."""
        self._exact[at] = min(MOST_STEPS_IN_AN_HOUR, self._exact.get(at, 0.0) + steps * self._factor)

    def reading(self, at: Count, recorded: datetime) -> Reading:
        """What was counted so far in the hour *at*."""
        date, hour = at
        return Reading(
            device_id=self.device_id, date=date, hour=hour, steps=int(self._exact.get(at, 0)),
            recorded_time=recorded.astimezone(UTC), source=self._source,
        )  # fmt: skip

    def hours(self) -> Iterator[Count]:
        """The hours in which anything was counted."""
        return iter(self._exact)


class Pedometer:
    """All devices of one person."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.devices = [Device("phone", ReadingSource.SENSOR, 1.0)]
        if random.random() < 0.3:  # noqa: PLR2004 - about a third wear something that counts
            self.devices.append(Device("watch", ReadingSource.WEARABLE, random.uniform(0.96, 1.06)))

    def history(self, now: datetime) -> list[Reading]:
        """Make up the hours of today before *now*, and tell them as an app does when it is opened.

        *now* is the person's local time.
        """
        likes_walking = self._random.uniform(150, 700)
        for hour in range(now.hour):
            if hour in WAKING_HOURS:
                self._count((now.date().isoformat(), hour), int(self._random.expovariate(1 / likes_walking)))
        return [device.reading(at, now) for device in self.devices for at in device.hours()]

    def walk(self, steps: int, now: datetime) -> list[Reading]:
        """Count *steps* now and tell the present hour of every device."""
        at = (now.date().isoformat(), now.hour)
        self._count(at, steps)
        return [device.reading(at, now) for device in self.devices]

    def _count(self, at: Count, steps: int) -> None:
        for device in self.devices:
            device.add(at, steps)
