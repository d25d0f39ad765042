"""When a user does not want to be disturbed, by the clock where the user lives."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_CLOCK_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)

_MINUTES_OF_HOUR = 60


def parse_clock_time(text: str) -> int | None:
    """Minutes since midnight of a time `HH:MM`; None for anything else."""
    found = _CLOCK_TIME.fullmatch(text)
    return int(found[1]) * _MINUTES_OF_HOUR + int(found[2]) if found else None


def clock_time(minutes: int) -> str:
    """The time `HH:MM` that is so many *minutes* after midnight."""
    hours, rest = divmod(minutes, _MINUTES_OF_HOUR)
    return f"{hours:02}:{rest:02}"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From *start*, inclusive, to *end*, exclusive, in minutes since local midnight. Equal: none."""

    start: int = 22 * _MINUTES_OF_HOUR
    """22:00 (contract)."""
    end: int = 8 * _MINUTES_OF_HOUR
    """08:00 (contract)."""

    def hold(self, minutes: int) -> bool:
        """Whether they hold at so many *minutes* after local midnight."""
        if self.start <= self.end:
            return self.start <= minutes < self.end
        return minutes >= self.start or minutes < self.end

    def over_at(self, now: datetime, zone: ZoneInfo) -> datetime:
        """*now* itself outside of quiet hours, else the instant, in UTC, at which they end.

        Where the clock is set back over the end, its second passing counts once the first is over; where it is set forward
        over the end, they last as many minutes as they would have.
        """
        local = now.astimezone(zone)
        minutes = local.hour * _MINUTES_OF_HOUR + local.minute
        if not self.hold(minutes):
            return now
        day = local.date() + timedelta(days=int(minutes >= self.end))
        at = time(*divmod(self.end, _MINUTES_OF_HOUR))
        ends = (datetime.combine(day, at.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1))
        # At least the next minute, whatever the zone does.
        return next((end for end in ends if end > now), now + timedelta(minutes=1))
