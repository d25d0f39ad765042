"""Rows of `tombstone` (`tombstone.sql`): who was deleted, and whether everything of them is erased."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction

FIRST = (UserId(UUID(int=0)), datetime(1970, 1, 1, tzinfo=UTC))
"""In front of everybody."""

_ADD = """
    INSERT INTO tombstone (user_id, delete_time, erase_time) VALUES (%(user)s, %(at)s, NULL)
    ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)
"""

_LIST_OPEN = """
    SELECT user_id, delete_time FROM tombstone
    WHERE erase_time IS NULL AND delete_time >= %(since)s AND (delete_time > %(since)s OR user_id > %(after)s)
    ORDER BY delete_time, user_id LIMIT %(rows)s
"""  # tombstone_open

_CLOSE = "UPDATE tombstone SET erase_time = %(at)s WHERE user_id = %(user)s"
# primary key

_LIST = """
    SELECT user_id, delete_time FROM tombstone WHERE user_id > %(after)s ORDER BY user_id LIMIT %(rows)s
"""  # primary key

_LIST_AMONG = "SELECT user_id FROM tombstone WHERE user_id IN ({places})"
# primary key


async def add(tx: Transaction, user: UserId, at: datetime) -> None:
    """Set a tombstone; one that stands stays as it is."""
    await tx.execute(_ADD, {"user": user, "at": at.replace(microsecond=at.microsecond // 1000 * 1000)})


async def list_open(tx: Transaction, behind: tuple[UserId, datetime], rows: int) -> Sequence[tuple[UserId, datetime]]:
    """Those who are not erased yet and when they were deleted, the first deleted first, from behind one of them or `FIRST`."""
    after, since = behind
    return _users(await tx.all(_LIST_OPEN, {"after": after, "since": since, "rows": rows}))


async def close(tx: Transaction, user: UserId, at: datetime) -> None:
    """Nothing of *user* is left."""
    await tx.execute(_CLOSE, {"user": user, "at": at})


async def list_among(tx: Transaction, ids: Collection[UUID]) -> set[UUID]:
    """Those of *ids* that are of people who were deleted."""
    ordered = sorted(ids)
    rows = await tx.all(_LIST_AMONG.format(places=",".join(["%s"] * len(ordered))), ordered)
    return {UUID(bytes=user_id) for (user_id,) in rows}


async def list_from(tx: Transaction, after: UserId, rows: int) -> Sequence[tuple[UserId, datetime]]:
    """Everybody with a tombstone and an id beyond *after*, erased or not, by id."""
    return _users(await tx.all(_LIST, {"after": after, "rows": rows}))


def _users(rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[UserId, datetime]]:
    return [(UserId(UUID(bytes=user_id)), delete_time) for user_id, delete_time in rows]
