"""Which readings are taken, and why others are not. Judges each reading alone; merging is `day`'s work."""

from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from typing import Final, NamedTuple

from firewalker.kernel.days import earliest_date, latest_date, parse_date
from firewalker.step.domain.day import HOURS, WHOLE_DATE, begin_ms, first_final, last_final, to_ms

MAX_HOURLY_STEPS = 15_000
"""Most steps that one local hour may hold; above it a reading is refused.

About 250 steps a minute for an hour, above the cadence of elite marathon runners (about 185).
"""

MAX_DAILY_STEPS = 100_000
"""Most steps that a whole-date count may hold: about 75 km on foot (contract)."""

BACKFILL = timedelta(days=7)
"""How far back a date may lie behind the rearmost today on Earth (contract)."""

CLOCK_AHEAD_MS = 120_000
"""How far a device's clock may be ahead of ours: 2 minutes, in milliseconds (contract)."""

MAX_DEVICE_ID = 64
"""Characters of a device id, all printable ASCII (contract)."""


class Outcome(IntEnum):
    """What becomes of one reading: a verdict and, for most, a reason. An integer, to index tables on the hot path."""

    ACCEPTED = 0
    ACCEPTED_DAY_FINAL = 1
    UNCHANGED = 2
    HOUR_CORRECTED = 3
    DATE_IN_FUTURE = 4
    DATE_TOO_OLD = 5
    STEPS_IMPLAUSIBLE = 6
    RECORDED_IN_FUTURE = 7
    INVALID_READING = 8


FIRST_REJECTED: Final = Outcome.DATE_IN_FUTURE
"""Outcomes from here on refuse the reading."""


class Source(IntEnum):
    """What kind of thing counted; numbered as stored."""

    SENSOR = 1
    WEARABLE = 2
    AGGREGATOR = 3
    MANUAL = 4


_SOURCES = frozenset(int(source) for source in Source)


class Counted(NamedTuple):
    """A reading that was judged good. A tuple: there are tens of thousands a second."""

    date: date
    device_id: str
    slot: int
    """The local hour, or `day.WHOLE_DATE`."""
    steps: int
    recorded_ms: int
    """Unix milliseconds; not ahead of our clock and not before the date began anywhere."""
    source: int
    late: bool
    """The owner's day is FINAL: it changes their history, never standings."""


class Day(NamedTuple):
    """A date that readings may name now."""

    date: date
    begin_ms: int
    """When it begins first on Earth, in Unix milliseconds."""
    late: bool
    """It is FINAL everywhere."""


class Window:
    """The dates that may be named at one moment, and what that moment decides about a reading.

    Good until `until_ms`; make a new one then. Dates enter and leave, and become final, on whole UTC hours only.
    """

    __slots__ = ("_last", "ambiguous", "days", "until_ms")

    def __init__(self, now: datetime) -> None:
        hour = datetime.combine(now.date(), time(now.hour), UTC)
        self.until_ms = to_ms(hour + timedelta(hours=1))
        self._last = latest_date(now)
        self.days: dict[str, Day] = {}
        """By their text, which is how readings name them: one look-up instead of parsing."""
        ambiguous = set()
        day = earliest_date(now) - BACKFILL
        while day <= self._last:
            self.days[day.isoformat()] = Day(day, begin_ms(day), now >= last_final(day))
            if first_final(day) <= now < last_final(day):
                ambiguous.add(day)
            day += timedelta(days=1)
        self.ambiguous = frozenset(ambiguous)
        """Dates that are FINAL for some walkers only: it takes their zone to tell."""

    def judge(
        self, *, device_id: str, date_text: str, slot: int, steps: int, recorded_ms: int, source: int, now_ms: int
    ) -> "Counted | Outcome":
        """The reading as it is to be counted, or why it is refused. Looks at this reading alone.

        *slot* is the hour or `day.WHOLE_DATE`, *recorded_ms* the time of receipt where the device told none. Of a date
        that is `ambiguous` the reading is taken for in time; who knows the walker's zone corrects that.
        """
        day = self.days.get(date_text)
        if not 0 < len(device_id) <= MAX_DEVICE_ID or not device_id.isascii() or not device_id.isprintable():
            return Outcome.INVALID_READING
        if steps < 0 or not 0 <= slot <= WHOLE_DATE or source not in _SOURCES:
            return Outcome.INVALID_READING
        if day is None:
            return self._refusal_of_date(date_text)
        if steps > (MAX_HOURLY_STEPS if slot < HOURS else MAX_DAILY_STEPS):
            return Outcome.STEPS_IMPLAUSIBLE
        if recorded_ms > now_ms:
            if recorded_ms > now_ms + CLOCK_AHEAD_MS:
                return Outcome.RECORDED_IN_FUTURE
            recorded_ms = now_ms
        elif recorded_ms < day.begin_ms:
            recorded_ms = day.begin_ms
        return Counted(day.date, device_id, slot, steps, recorded_ms, source, day.late)

    def _refusal_of_date(self, text: str) -> Outcome:
        day = parse_date(text)
        if day is None:
            return Outcome.INVALID_READING
        return Outcome.DATE_IN_FUTURE if day > self._last else Outcome.DATE_TOO_OLD
