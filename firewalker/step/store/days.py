"""The statements on `day_device`: raising counts, and reading days and totals back. Who may, and when, is not known here.

User ids are their 16 bytes and instants Unix milliseconds throughout: these statements carry the ingest path, where a
UUID or a datetime per row would cost more than the row.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.day import HOURS, UserTotal

ROWS_PER_STATEMENT = 500
"""Rows of one upsert, and users of one query: beyond some hundred the cost per row no longer falls, the locks' time grows."""

_COLUMNS = (*(f"h{hour:02d}" for hour in range(HOURS)), "whole_day")
"""The column of each slot."""

UserDate = tuple[bytes, date]
DeviceDate = tuple[bytes, date, str]


class Rise(NamedTuple):
    """Counts of one device and date that are higher than what is stored, for some slots that the call names."""

    user: bytes
    date: date
    device_id: str
    late: bool
    source: int
    last_reading_ms: int
    reached_ms: int
    """When the user's total of the date rose by this; 0 if it did not, because another device counts more."""
    counts: tuple[int, ...]


class StoredDevice(NamedTuple):
    """What one device counted on one date, late readings included."""

    counts: tuple[int, ...]
    last_reading_ms: int


# Raises counts; primary key. Assignments run from left to right, so reached_time looks at the counts before they rise:
# told again, after a COMMIT whose answer was lost, it does not move.
_RAISE = """
    INSERT INTO day_device (user_id, date, device_id, late, source, last_reading_time, reached_time, {columns}) VALUES """
_RAISE_ROW = "(%s,%s,%s,%s,%s,FROM_UNIXTIME(%s*0.001),FROM_UNIXTIME(%s*0.001){places})"
_RAISE_TAIL = """
    ON DUPLICATE KEY UPDATE
        reached_time = IF({rises}, GREATEST(reached_time, VALUES(reached_time)), reached_time),
        last_reading_time = GREATEST(last_reading_time, VALUES(last_reading_time)),
        source = VALUES(source),
        {raises}
"""

TOTAL = f"GREATEST({' + '.join(f'MAX({column})' for column in _COLUMNS[:HOURS])}, MAX(whole_day))"
"""The steps of one user and date, of the rows grouped by them: what `domain.day.total` computes."""

_MERGED = f"""
    {TOTAL},
    CAST(UNIX_TIMESTAMP(MAX(reached_time)) * 1000 AS SIGNED),
    CAST(UNIX_TIMESTAMP(MAX(last_reading_time)) * 1000 AS SIGNED),
    MAX(revision)
"""

# The counts of all devices of some users on some dates; primary key, one range per user and date.
_DEVICES = f"""
    SELECT user_id, date, device_id,
        {", ".join(f"MAX({column})" for column in _COLUMNS)},
        CAST(UNIX_TIMESTAMP(MAX(last_reading_time)) * 1000 AS SIGNED)
    FROM day_device WHERE {{which}} GROUP BY user_id, date, device_id
"""

# The totals of some users on some dates; primary key, one range per user and date.
_TOTALS = f"""
    SELECT user_id, date, {_MERGED}
    FROM day_device WHERE ({{which}}) {{standing}} GROUP BY user_id, date
"""

# A stretch of a date's users, in their order; day_device_by_date finds them, then as above.
_USERS_OF_DATE = """
    SELECT DISTINCT user_id FROM day_device
    WHERE date = %s AND user_id > %s ORDER BY user_id LIMIT %s
"""

# Who rose on a date since an instant. Reads the date's rows: for the start of a process, not for requests.
_RAISED_SINCE = """
    SELECT DISTINCT user_id FROM day_device
    WHERE date = %s AND user_id > %s AND reached_time >= %s ORDER BY user_id LIMIT %s
"""


async def raise_counts(tx: Transaction, slots: tuple[int, ...], rises: Iterable[Rise]) -> None:
    """Make the counts of *slots* at least what each of *rises* says. Never lowers anything; repeating changes nothing.

    *slots* are ascending. Rows go in the order of the primary key, because unordered ones deadlock with other calls.
    """
    head, row, tail = _raise_statement(slots)
    rows = sorted((*rise[:-1], *rise.counts) for rise in rises)
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        await tx.execute_rows(head, row, rows[start : start + ROWS_PER_STATEMENT], tail)


async def find_devices(tx: Transaction, keys: Iterable[UserDate]) -> dict[UserDate, dict[str, StoredDevice]]:
    """What is stored of every device of each of *keys* (user, date), by device id; keys without a row are left out."""
    found: dict[UserDate, dict[str, StoredDevice]] = {}
    for which, params in _stretches(keys):
        for user, day, device_id, *counts, last_ms in await tx.all(_DEVICES.format(which=which), params):
            found.setdefault((user, day), {})[device_id.decode()] = StoredDevice(tuple(counts), last_ms)
    return found


async def find_totals(
    tx: Transaction, keys: Iterable[UserDate], *, late_included: bool = False
) -> dict[UserDate, UserTotal]:
    """The merged steps of each of *keys* (user, date); those without a row are left out.

    As standings know them, or, with *late_included*, as their owner does.
    """
    found: dict[UserDate, UserTotal] = {}
    for which, params in _stretches(keys):
        statement = _TOTALS.format(which=which, standing="" if late_included else "AND late = 0")
        for user, day, total, reached_ms, last_ms, revision in await tx.all(statement, params):
            found[user, day] = UserTotal(int(total), reached_ms, last_ms, revision)
    return found


async def list_users(
    tx: Transaction,
    day: date,
    *,
    after: bytes = b"",
    limit: int = ROWS_PER_STATEMENT,
    raised_since: datetime | None = None,
) -> list[bytes]:
    """Users with a reading of *day*, behind *after* in the order of their ids; at most *limit*.

    *raised_since* leaves out those whose totals did not rise at that instant or later.
    """
    if raised_since is None:
        rows = await tx.all(_USERS_OF_DATE, (day, after, limit))
    else:
        rows = await tx.all(_RAISED_SINCE, (day, after, raised_since.astimezone(UTC), limit))
    return [user for (user,) in rows]


@lru_cache(maxsize=1024)
def _raise_statement(slots: tuple[int, ...]) -> tuple[str, str, str]:
    columns = [_COLUMNS[slot] for slot in slots]
    return (
        _RAISE.format(columns=", ".join(columns)),
        _RAISE_ROW.format(places=",%s" * len(columns)),
        _RAISE_TAIL.format(
            rises=" OR ".join(f"VALUES({column}) > {column}" for column in columns),
            raises=", ".join(f"{column} = GREATEST({column}, VALUES({column}))" for column in columns),
        ),
    )


def _stretches(keys: Iterable[UserDate]) -> Iterable[tuple[str, list[object]]]:
    """Conditions for *keys*, at most `ROWS_PER_STATEMENT` in each, with their parameters."""
    by_date: dict[date, list[bytes]] = {}
    for user, day in keys:
        by_date.setdefault(day, []).append(user)
    parts: list[str] = []
    params: list[object] = []
    room = ROWS_PER_STATEMENT
    for day, users in by_date.items():
        rest = sorted(users)
        while rest:
            some, rest = rest[:room], rest[room:]
            parts.append(f"date = %s AND user_id IN ({','.join(['%s'] * len(some))})")
            params += [day, *some]
            room -= len(some)
            if room == 0:
                yield " OR ".join(parts), params
                parts, params, room = [], [], ROWS_PER_STATEMENT
    if parts:
        yield " OR ".join(parts), params
