"""Statements on `day_device` for statistics: a walker's daily totals over a long time, and what others come to.

They read the daily rows by primary key, a range per user; readings themselves are not kept.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.day import HOURS
from firewalker.step.store.days import TOTAL

_SLOTS = ", ".join(f"MAX({column})" for column in (*(f"h{hour:02d}" for hour in range(HOURS)), "whole_day"))

# A user's totals, late readings included; primary key, one range. One row a month, because reading a row costs this side
# 5 µs: at most 31 times 14 characters, under the 1024 that GROUP_CONCAT is given.
_TOTALS = f"""
    SELECT GROUP_CONCAT(TO_DAYS(date), ' ', steps) FROM (
        SELECT date, {TOTAL} AS steps FROM day_device
        WHERE user_id = %s AND date BETWEEN %s AND %s GROUP BY date
    ) AS daily GROUP BY EXTRACT(YEAR_MONTH FROM date)
"""

_TO_ORDINAL = 365
"""TO_DAYS counts from a year 0, `date.toordinal` from the year 1."""

# A user's merged counts of one date, late readings included; primary key, one range.
_COUNTS = f"SELECT {_SLOTS} FROM day_device WHERE user_id = %s AND date = %s"

# What users come to in some dates as standings know them; primary key, a range per user.
_SUMS = f"""
    SELECT user_id, CAST(SUM(steps) AS SIGNED), COUNT(*) FROM (
        SELECT user_id, date, {TOTAL} AS steps FROM day_device
        WHERE ({{which}}) AND late = 0 GROUP BY user_id, date
    ) AS daily GROUP BY user_id
"""


class Sum(NamedTuple):
    """The steps of some days, and how many of these have data."""

    steps: int
    days: int


async def list_totals(tx: Transaction, user: bytes, first: date, last: date) -> dict[date, int]:
    """The owner's total of every date with data from *first* to *last*; *user* is their 16 bytes."""
    totals = {}
    for (month,) in await tx.all(_TOTALS, (user, first, last)):
        for entry in _text(month).split(","):
            days, _, steps = entry.partition(" ")
            totals[date.fromordinal(int(days) - _TO_ORDINAL)] = int(steps)
    return totals


async def find_counts(tx: Transaction, user: bytes, day: date) -> tuple[int, ...] | None:
    """The owner's 25 merged counts of *day*; None without data."""
    counts = await tx.one(_COUNTS, (user, day))
    return None if counts[0] is None else counts


async def sum_up(tx: Transaction, users: Mapping[bytes, date], last: date) -> dict[bytes, Sum]:
    """What standings know of each of *users* (16-byte ids) from their date on to *last*; who has no data is left out."""
    by_first: dict[date, list[bytes]] = {}
    for user, first in users.items():
        by_first.setdefault(first, []).append(user)
    parts, params = [], list[object]()
    for first, some in by_first.items():
        parts.append(f"user_id IN ({_places(some)}) AND date BETWEEN %s AND %s")
        params += [*sorted(some), first, last]
    if not parts:
        return {}
    rows = await tx.all(_SUMS.format(which=" OR ".join(parts)), params)
    return {user: Sum(int(steps), days) for user, steps, days in rows}


def _text(value: str | bytes) -> str:
    # MySQL takes what is put together from numbers for text, MariaDB for bytes.
    return value if isinstance(value, str) else value.decode()


def _places(values: Sequence[object]) -> str:
    return ",".join(["%s"] * len(values))
