"""The statements on `day_device`: raising counts, and reading days and totals back. Who may, and when, is not known here.

User ids are their 16 bytes and instants Unix milliseconds throughout: these statements carry the ingest path, where a
UUID or a datetime per row would cost more than the row.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.day import HOURS, WHOLE_DATE, UserTotal, merge
from firewalker.step.domain.history import DeviceCounts
from firewalker.step.domain.suspicion import UNSUSPECTED, Verdict, suspect
from firewalker.step.store import reviews
from firewalker.step.store.keys import ROWS_PER_STATEMENT, DeviceDate, UserDate, stretches

_COLUMNS = (*(f"h{hour:02d}" for hour in range(HOURS)), "whole_day")
"""The column of each slot."""


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
    revision: int
    """What the counts were made with: a row that has another by now stays as it is."""
    counts: tuple[int, ...]


# Raises counts; primary key. Assignments run from left to right, so reached_time looks at the counts before they rise:
# told again, after a COMMIT whose answer was lost, it does not move.
_RAISE = """
    INSERT INTO day_device
        (user_id, date, device_id, late, source, last_reading_time, reached_time, revision, {columns}) VALUES """
_RAISE_ROW = "(%s,%s,%s,%s,%s,FROM_UNIXTIME(%s*0.001),FROM_UNIXTIME(%s*0.001),{revision}{places})"
_RAISE_TAIL = """
    ON DUPLICATE KEY UPDATE
        reached_time = IF(revision = {revision} AND ({rises}), GREATEST(reached_time, VALUES(reached_time)), reached_time),
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

# The rows of some users on some dates; primary key, one range per user and date.
_ROWS = f"""
    SELECT user_id, date, device_id, CAST(UNIX_TIMESTAMP(last_reading_time) * 1000 AS SIGNED), revision, source,
        {", ".join(_COLUMNS)}
    FROM day_device WHERE ({{which}}) {{standing}}
"""

_STRETCH = "user_id = %s AND date BETWEEN %s AND %s"  # primary key, one range

# All rows of a user's date, until the transaction ends; primary key.
_LOCK = "SELECT revision FROM day_device WHERE user_id = %s AND date = %s ORDER BY device_id, late FOR UPDATE"

# Puts a corrected device in the place of what it was; primary key.
_PUT = f"""
    INSERT INTO day_device
        (user_id, date, device_id, late, source, last_reading_time, reached_time, revision, {", ".join(_COLUMNS)})
    VALUES (%s,%s,%s,%s,%s,FROM_UNIXTIME(%s*0.001),FROM_UNIXTIME(%s*0.001),%s{",%s" * len(_COLUMNS)})
    ON DUPLICATE KEY UPDATE reached_time = VALUES(reached_time), revision = VALUES(revision),
        {", ".join(f"{column} = VALUES({column})" for column in _COLUMNS)}
"""

_REMOVE_LATE = "DELETE FROM day_device WHERE user_id = %s AND date = %s AND device_id = %s AND late = 1"  # primary key

# The totals of some users on some dates; primary key, one range per user and date.
_TOTALS = f"""
    SELECT user_id, date, {_MERGED}
    FROM day_device WHERE ({{which}}) {{standing}} GROUP BY user_id, date
"""

# A stretch of a date's users, in their order; day_device_by_date finds them, then as above.
_USERS_OF_DATE = """
    SELECT DISTINCT user_id FROM day_device
    WHERE date = %s AND user_id > %s{share} ORDER BY user_id LIMIT %s
"""

# Added to such a statement: some of those users, by the last byte of their ids, which is random.
_SHARE = " AND MOD(ASCII(SUBSTRING(user_id, 16)), %s) = %s"

_COUNT_USERS = "SELECT COUNT(DISTINCT user_id) FROM day_device WHERE date = %s"  # day_device_by_date, without its rows

# Who rose on a date since an instant. Reads the date's rows: for the start of a process, not for requests.
_RAISED_SINCE = """
    SELECT DISTINCT user_id FROM day_device
    WHERE date = %s AND user_id > %s AND reached_time >= %s{share} ORDER BY user_id LIMIT %s
"""


async def raise_counts(tx: Transaction, slots: tuple[int, ...], rises: Iterable[Rise]) -> None:
    """Make the counts of *slots* at least what each of *rises* says. Never lowers anything; repeating changes nothing.

    *slots* are ascending. Rows go in the order of the primary key, because unordered ones deadlock with other calls.
    """
    by_revision: dict[int, list[tuple[object, ...]]] = {}
    for rise in rises:
        *head_values, revision, counts = rise
        by_revision.setdefault(revision, []).append((*head_values, *counts))
    for revision, rows in by_revision.items():
        head, row, tail = _raise_statement(slots, revision)
        rows.sort()
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            await tx.execute_rows(head, row, rows[start : start + ROWS_PER_STATEMENT], tail)


async def find_devices(
    tx: Transaction, keys: Iterable[UserDate], *, late_included: bool = True
) -> dict[UserDate, dict[str, DeviceCounts]]:
    """What is stored of every device of each of *keys* (user, date), by device id; keys without a row are left out.

    As their owner knows them, or, without *late_included*, as standings do.
    """
    found: dict[UserDate, dict[str, DeviceCounts]] = {}
    for which, params in stretches(keys):
        statement = _ROWS.format(which=which, standing="" if late_included else "AND late = 0")
        _gather(found, await tx.all(statement, params))
    return found


async def list_days(tx: Transaction, user: bytes, start: date, end: date) -> dict[date, dict[str, DeviceCounts]]:
    """A user's dates from *start* to *end*, both included, with their devices as `find_devices` tells them."""
    found: dict[UserDate, dict[str, DeviceCounts]] = {}
    _gather(found, await tx.all(_ROWS.format(which=_STRETCH, standing=""), (user, start, end)))
    return {day: devices for (_, day), devices in found.items()}


async def find_totals(
    tx: Transaction, keys: Iterable[UserDate], *, late_included: bool = False
) -> dict[UserDate, UserTotal]:
    """The merged steps of each of *keys* (user, date); those without a row are left out.

    As standings know them, or, with *late_included*, as their owner does.
    """
    found: dict[UserDate, UserTotal] = {}
    for which, params in stretches(keys):
        statement = _TOTALS.format(which=which, standing="" if late_included else "AND late = 0")
        for user, day, total, reached_ms, last_ms, revision in await tx.all(statement, params):
            found[user, day] = UserTotal(int(total), reached_ms, last_ms, revision)
    # What MySQL cannot tell in one go, and what is rare: days that may be suspect, and late corrections.
    doubtful = [
        key for key, known in found.items() if known.total > UNSUSPECTED or (late_included and known.revision > 0)
    ]
    if doubtful:
        devices = await find_devices(tx, doubtful, late_included=late_included)
        reviewed = await reviews.find(tx, doubtful)
        for key in doubtful:
            found[key] = _looked_at(found[key], devices.get(key, {}).values(), reviewed.get(key))
    return found


async def lock_date(tx: Transaction, user: bytes, day: date) -> int:
    """Keep readings and corrections of a user's date waiting until *tx* ends; its revision, 0 for one without rows."""
    return max((revision for (revision,) in await tx.all(_LOCK, (user, day))), default=0)


async def put_corrected(tx: Transaction, key: DeviceDate, device: DeviceCounts, *, late: bool, at_ms: int) -> None:
    """Store *device* in the place of what was there. *late*: beside it, for the owner alone; standings keep theirs."""
    if not late:
        await tx.execute(_REMOVE_LATE, key)
    counts, last_ms, revision, source = device
    await tx.execute(_PUT, (*key, late, source, last_ms, at_ms, revision, *counts))


async def list_users(
    tx: Transaction,
    day: date,
    *,
    after: bytes = b"",
    limit: int = ROWS_PER_STATEMENT,
    raised_since: datetime | None = None,
    share: tuple[int, int] = (0, 1),
) -> list[bytes]:
    """Users with a reading of *day*, behind *after* in the order of their ids; at most *limit*.

    *raised_since* leaves out those whose totals did not rise at that instant or later. *share* is a number and of how many
    shares that one is wanted: 2 of 12 are those whose ids' last byte is 2 modulo 12.
    """
    statement = _USERS_OF_DATE if raised_since is None else _RAISED_SINCE
    since = () if raised_since is None else (raised_since.astimezone(UTC),)
    number, of = share
    if of == 1:
        rows = await tx.all(statement.format(share=""), (day, after, *since, limit))
    else:
        rows = await tx.all(statement.format(share=_SHARE), (day, after, *since, of, number, limit))
    return [user for (user,) in rows]


async def count_users(tx: Transaction, day: date) -> int:
    """How many users have a reading of *day*. Looks at all of them: for operators, not for requests."""
    return int((await tx.one(_COUNT_USERS, (day,)))[0])


@lru_cache(maxsize=1024)
def _raise_statement(slots: tuple[int, ...], revision: int) -> tuple[str, str, str]:
    columns = [_COLUMNS[slot] for slot in slots]
    return (
        _RAISE.format(columns=", ".join(columns)),
        _RAISE_ROW.format(places=",%s" * len(columns), revision=revision),
        _RAISE_TAIL.format(
            revision=revision,
            rises=" OR ".join(f"VALUES({column}) > {column}" for column in columns),
            raises=", ".join(
                f"{column} = IF(revision = {revision}, GREATEST({column}, VALUES({column})), {column})"
                for column in columns
            ),
        ),
    )


def _gather(found: dict[UserDate, dict[str, DeviceCounts]], rows: Iterable[Sequence[Any]]) -> None:
    """Put *rows* where they belong; of a device that has a row in time and a late one, both together."""
    for user, day, device_id, last_ms, revision, source, *counts in rows:
        devices = found.setdefault((user, day), {})
        name = device_id.decode()
        row = DeviceCounts(tuple(counts), last_ms, revision, source)
        known = devices.get(name)
        devices[name] = row if known is None else known.together(row)


def _looked_at(known: UserTotal, devices: Iterable[DeviceCounts], review: reviews.Review | None) -> UserTotal:
    """*known* with its devices' counts and what was said of it: a review stands until the next correction."""
    counts = merge(device.counts for device in devices)
    revision = known.revision
    approved = False
    if review is not None and review.revision > revision:
        revision, approved = review.revision, review.verdict is Verdict.APPROVED
    total = max(sum(counts[:HOURS]), counts[WHOLE_DATE])
    return known._replace(total=total, revision=revision, held=not approved and suspect(counts))
