"""Statements on `day_device` for statistics: a walker's daily totals over a long time, and what others come to.

They read the daily rows by primary key, a range per user; readings themselves are not kept.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator
from datetime import date
from typing import NamedTuple, TypeVar

from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.day import merge
from firewalker.step.domain.period import Span
from firewalker.step.domain.suspicion import UNSUSPECTED
from firewalker.step.store.days import TOTAL, find_devices, find_totals
from firewalker.step.store.keys import UserDate

K = TypeVar("K", bound=Hashable)

UserSpan = tuple[bytes, Span]
"""A user, as 16 bytes, and dates of theirs."""

_UNTOLD = -1
"""Stands for the steps of a date that was corrected and has late rows: which of them count is told device by device."""

# A user's totals, late readings included; primary key, one range. One row a month, because reading a row costs this side
# 5 µs: at most 31 times 14 characters, under the 1024 that GROUP_CONCAT is given.
_TOTALS = f"""
    SELECT GROUP_CONCAT(TO_DAYS(date), ' ', steps) FROM (
        SELECT date, IF(MAX(late) > 0 AND MAX(revision) > 0, {_UNTOLD}, {TOTAL}) AS steps FROM day_device
        WHERE user_id = %s AND date BETWEEN %s AND %s GROUP BY date
    ) AS daily GROUP BY EXTRACT(YEAR_MONTH FROM date)
"""

_TO_ORDINAL = 365
"""TO_DAYS counts from a year 0, `date.toordinal` from the year 1."""

# What users come to in some dates as standings know them; primary key, a range per user.
_DAILY = f"""
    SELECT user_id, date, {TOTAL} AS steps, MAX(reached_time) AS reached, MAX(last_reading_time) AS last FROM day_device
    WHERE ({{which}}) AND late = 0 GROUP BY user_id, date
"""
_SUMS = f"""
    SELECT user_id, CAST(SUM(steps) AS SIGNED), COUNT(*),
        CAST(UNIX_TIMESTAMP(MAX(reached)) * 1000 AS SIGNED), CAST(UNIX_TIMESTAMP(MAX(last)) * 1000 AS SIGNED), MAX(steps)
    FROM ({_DAILY}) AS daily GROUP BY user_id
"""

# The same by date, one row for each user and month, as above.
_BY_DATE = f"""
    SELECT user_id, GROUP_CONCAT(TO_DAYS(date), ' ', steps) FROM ({_DAILY}) AS daily
    GROUP BY user_id, EXTRACT(YEAR_MONTH FROM date)
"""

# The same by month.
_BY_MONTH = f"""
    SELECT user_id, EXTRACT(YEAR_MONTH FROM date), CAST(SUM(steps) AS SIGNED), COUNT(*), MAX(steps)
    FROM ({_DAILY}) AS daily
    GROUP BY user_id, EXTRACT(YEAR_MONTH FROM date)
"""


class Sum(NamedTuple):
    """The steps of some days, and how many of these have data."""

    steps: int
    days: int
    reached_ms: int = 0
    """When the last of these days' totals rose last, and the same of readings; Unix milliseconds."""
    last_reading_ms: int = 0
    most: int = 0
    """The steps of the day that has most."""

    @property
    def doubtful(self) -> bool:
        """Whether one of the days may be held: see `find_held`."""
        return self.most > UNSUSPECTED


async def list_totals(tx: Transaction, user: bytes, first: date, last: date) -> dict[date, int]:
    """The owner's total of every date with data from *first* to *last*; *user* is their 16 bytes."""
    totals: dict[date, int] = {}
    for (month,) in await tx.all(_TOTALS, (user, first, last)):
        totals.update(_entries(month))
    untold = [(user, day) for day, steps in totals.items() if steps == _UNTOLD]
    for (_, day), found in (await find_totals(tx, untold, late_included=True)).items():
        totals[day] = found.total
    return totals


async def find_counts(tx: Transaction, user: bytes, day: date) -> tuple[int, ...] | None:
    """The owner's 25 merged counts of *day*; None without data."""
    devices = (await find_devices(tx, [(user, day)])).get((user, day))
    return tuple(merge(device.counts for device in devices.values())) if devices else None


async def sum_up(tx: Transaction, spans: Iterable[UserSpan]) -> dict[bytes, Sum]:
    """What standings know of each user in all of their *spans*; who has no data is left out."""
    which, params = _which(spans)
    if not which:
        return {}
    rows = await tx.all(_SUMS.format(which=which), params)
    return {user: Sum(int(steps), *others) for user, steps, *others in rows}


async def list_by_date(tx: Transaction, spans: Iterable[UserSpan]) -> dict[bytes, dict[date, Sum]]:
    """The same for each date with data."""
    which, params = _which(spans)
    found: dict[bytes, dict[date, Sum]] = {}
    if which:
        for user, month in await tx.all(_BY_DATE.format(which=which), params):
            found.setdefault(user, {}).update((day, Sum(steps, 1, most=steps)) for day, steps in _entries(month))
    return found


async def list_by_month(tx: Transaction, spans: Iterable[UserSpan]) -> dict[bytes, dict[date, Sum]]:
    """The same for each calendar month with data, by its first date."""
    which, params = _which(spans)
    found: dict[bytes, dict[date, Sum]] = {}
    if which:
        for user, month, steps, days, most in await tx.all(_BY_MONTH.format(which=which), params):
            found.setdefault(user, {})[date(month // 100, month % 100, 1)] = Sum(int(steps), days, most=most)
    return found


async def find_held(tx: Transaction, spans: Iterable[UserSpan], doubtful: Collection[bytes]) -> dict[UserDate, int]:
    """The steps of the days in *spans* that nobody believes before a person has looked, of the users *doubtful*."""
    some = [entry for entry in spans if entry[0] in doubtful]
    by_date = await list_by_date(tx, some)
    keys = [(user, day) for user, sums in by_date.items() for day, sum_ in sums.items() if sum_.doubtful]
    return {key: total.total for key, total in (await find_totals(tx, keys)).items() if total.held}


def take_out(sums: dict[K, Sum], key: K, steps: int) -> None:
    """Let the sum at *key* be without one of its days, which has so many *steps*; nothing is left of its only one."""
    known = sums.pop(key, None)  # none: the day was not there yet when the sums were read
    if known is not None and known.days > 1:
        sums[key] = known._replace(steps=max(0, known.steps - steps), days=known.days - 1)


def _which(spans: Iterable[UserSpan]) -> tuple[str, list[object]]:
    """The condition for all of *spans*, with its parameters; empty for none."""
    by_span: dict[Span, list[bytes]] = {}
    for user, span in spans:
        by_span.setdefault(span, []).append(user)
    parts, params = [], list[object]()
    for (first, last), users in by_span.items():
        parts.append(f"user_id IN ({','.join(['%s'] * len(users))}) AND date BETWEEN %s AND %s")
        params += [*sorted(users), first, last]
    return " OR ".join(parts), params


def _entries(month: str | bytes) -> Iterator[tuple[date, int]]:
    # MySQL takes what is put together from numbers for text, MariaDB for bytes.
    for entry in (month if isinstance(month, str) else month.decode()).split(","):
        days, _, steps = entry.partition(" ")
        yield date.fromordinal(int(days) - _TO_ORDINAL), int(steps)
