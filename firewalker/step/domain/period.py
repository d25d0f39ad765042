"""Periods of civil dates: days, Monday-to-Sunday weeks, calendar months and years. No instants, so no zones and no DST."""

from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

from firewalker.kernel.days import latest_date
from firewalker.step.domain.faults import StatsDateOutOfRange

EARLIEST = date(2000, 1, 1)
"""Nobody has counted before; and there is a year before every date that can be asked for."""

LATEST = date(2199, 12, 31)
"""Nobody asks for days after it but by mistake; and there are dates behind every one that can be asked for."""

_DAY = timedelta(days=1)


class Period(IntEnum):
    """How long; numbers as in the proto."""

    DAY = 1
    WEEK = 2
    MONTH = 3
    YEAR = 4


class Span(NamedTuple):
    """Civil dates from *first* to *last*, both included."""

    first: date
    last: date

    def dates(self) -> list[date]:
        """Every date, oldest first."""
        start = self.first.toordinal()
        return [date.fromordinal(number) for number in range(start, self.last.toordinal() + 1)]


def span_of(period: Period, day: date) -> Span:
    """The period that *day* is in."""
    match period:
        case Period.DAY:
            return Span(day, day)
        case Period.WEEK:
            monday = day - day.weekday() * _DAY
            return Span(monday, monday + 6 * _DAY)
        case Period.MONTH:
            first = day.replace(day=1)
            return Span(first, (first + 31 * _DAY).replace(day=1) - _DAY)
        case Period.YEAR:
            return Span(day.replace(month=1, day=1), day.replace(month=12, day=31))


def span_before(period: Period, span: Span) -> Span:
    """The period before the one that *span* is."""
    return span_of(period, span.first - _DAY)


def require_askable(day: date, now: datetime) -> None:
    """Refuse dates that there can be no statistics of.

    Raises:
        StatsDateOutOfRange: Before 2000-01-01, or not begun anywhere on Earth at *now*.
    """
    if not EARLIEST <= day <= latest_date(now):
        raise StatsDateOutOfRange
