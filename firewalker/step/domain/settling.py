"""When boards are frozen: an hourly round over those whose own day has become FINAL, and a last one over all. Pure.

A board stands once the days of all its members are FINAL; most people's friends live in their own zone. Boards that have to
wait for somebody further west are left to the last round, at 00:00 UTC of date + 2.
"""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from firewalker.kernel.days import day_end, parse_zone, zone_names
from firewalker.step.domain.day import SETTLING, first_final, last_final

ROUND = timedelta(hours=1)
"""From one round to the next."""

MARGIN = timedelta(minutes=1)
"""How long after a day became FINAL it is looked at: what was taken in before that is committed by then."""

LAST_ROUND = 26
"""Between the first zone that a date is FINAL in and the last lie 26 hours."""

SETTLED = LAST_ROUND + 1
"""The round behind the last: nothing is left to do."""

DAYS_LOOKED_BACK = 14
"""How many dates back boards are still frozen, if nobody did when it was time."""


class Result(NamedTuple):
    """A walker's day, as it stands for good among friends."""

    user: bytes
    day: date
    steps: int
    rank: int
    """0 for none."""
    ranked: int
    """How many on the board have a rank."""


def due(day: date, number: int) -> datetime:
    """When round *number* (0 to 26) of *day* may begin."""
    return first_final(day) + number * ROUND + MARGIN


def zones_of_round(day: date, number: int) -> list[str]:
    """The names of the zones in which *day* becomes FINAL within the hour before round *number*."""
    until = first_final(day) + number * ROUND
    return sorted(
        name
        for name in zone_names()
        if (zone := parse_zone(name)) is not None and until - ROUND < day_end(day, zone) + SETTLING <= until
    )


def dates_to_settle(now: datetime) -> list[date]:
    """The dates that may have boards to freeze at *now*, the oldest first."""
    latest = now.date() + timedelta(days=1)
    dates = [latest - timedelta(days=back) for back in range(DAYS_LOOKED_BACK, -1, -1)]
    return [day for day in dates if due(day, 0) <= now]


assert first_final(date(2000, 1, 1)) + LAST_ROUND * ROUND == last_final(date(2000, 1, 1))  # noqa: S101 - the rounds cover all
