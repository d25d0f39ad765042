"""The time zones of a walker by date: which one a day begins and ends in. No I/O."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from firewalker.kernel.days import date_in, day_end

UTC_ZONE = ZoneInfo("UTC")
"""The zone of a walker whose own is not known yet."""

ZoneChanges: TypeAlias = tuple[tuple[date, ZoneInfo], ...]
"""The first date of each later zone, with the zone; oldest first."""


@dataclass(frozen=True, slots=True)
class ZoneHistory:
    """A walker's zones: the *first* one, until the *changes* begin. A day keeps its zone for good."""

    first: ZoneInfo = UTC_ZONE
    changes: ZoneChanges = ()

    def on(self, day: date) -> ZoneInfo:
        """The zone that *day* begins and ends in."""
        for first_date, zone in reversed(self.changes):
            if day >= first_date:
                return zone
        return self.first

    @property
    def newest(self) -> ZoneInfo:
        """The zone that the walker moved to last."""
        return self.changes[-1][1] if self.changes else self.first

    def today(self, now: datetime) -> date:
        """The first date that is not over at *now*.

        On the day of a move this can differ from what clocks show at either place: a date that was over stays over.
        """
        if not self.changes:
            return date_in(self.first, now)
        day = min(date_in(zone, now) for zone in (self.first, *(zone for _, zone in self.changes)))
        while day_end(day, self.on(day)) <= now:
            day += timedelta(days=1)
        return day
