"""Statements on `friend`: who is friends with whom, both directions, as the user service has told it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from firewalker.kernel.days import parse_zone
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.circle import UTC_ZONE, Circle, Friend, Person

_ADD_HEAD = "INSERT INTO friend (user_id, friend_id, since_time) VALUES"
_ADD_ROW = "(%s,%s,%s)"
_ADD_TAIL = "ON DUPLICATE KEY UPDATE since_time = VALUES(since_time)"  # primary key

# Everybody on a walker's board with what it shows of them; the walker's own row has no since_time.
_CIRCLE = """
    SELECT f.friend_id, f.since_time, w.nickname, w.avatar_url, w.time_zone
    FROM friend f LEFT JOIN walker w ON w.user_id = f.friend_id
    WHERE f.user_id = %(user_id)s
    UNION ALL
    SELECT user_id, NULL, nickname, avatar_url, time_zone FROM walker WHERE user_id = %(user_id)s
"""  # primary key of friend (a range), primary key of walker

# Everybody whose board shows one of these users.
_FRIENDS_OF = "SELECT DISTINCT friend_id FROM friend WHERE user_id IN ({places})"  # primary key, a range for each


async def add(tx: Transaction, friendships: Iterable[tuple[UserId, UserId, datetime]]) -> None:
    """Make each two users friends since that time. Again changes nothing but the time."""
    rows = [(one, other, since) for one, other, since in friendships]
    rows += [(other, one, since) for one, other, since in rows]
    await tx.execute_rows(_ADD_HEAD, _ADD_ROW, sorted(rows), _ADD_TAIL)


async def get_circle(tx: Transaction, user_id: UserId) -> Circle:
    """The walker and their friends in one query, however many. Who is not known yet has no name and lives in UTC."""
    me = Person(user_id.bytes, str(user_id))
    friends = []
    for row in await tx.all(_CIRCLE, {"user_id": user_id}):
        if row[1] is None:
            me = _person(row)
        else:
            friends.append(Friend(_person(row), row[1]))
    return Circle(me, tuple(friends))


async def list_friends_of(tx: Transaction, user_ids: Sequence[UserId]) -> list[bytes]:
    """The ids, as 16 bytes, of everybody who is a friend of one of *user_ids*: whose boards show them."""
    if not user_ids:
        return []
    rows = await tx.all(_FRIENDS_OF.format(places=",".join(["%s"] * len(user_ids))), user_ids)
    return [friend for (friend,) in rows]


_REMOVE_FROM_OTHERS = "DELETE FROM friend WHERE friend_id = %s AND user_id IN ({places})"
# primary key

_REMOVE = "DELETE FROM friend WHERE user_id = %(user)s"
# primary key


async def remove_of(tx: Transaction, user_id: UserId) -> None:
    """Remove every friendship of *user_id*, in both directions. Each is two rows, so the own ones name all others."""
    others = await list_friends_of(tx, [user_id])
    if others:
        places = ",".join(["%s"] * len(others))
        await tx.execute(_REMOVE_FROM_OTHERS.format(places=places), [user_id, *others])
    await tx.execute(_REMOVE, {"user": user_id})


def _person(row: Sequence[Any]) -> Person:
    user_id, _, nickname, avatar_url, zone = row
    return Person(user_id, str(UUID(bytes=user_id)), nickname or "", avatar_url or "", _zone(zone))


@lru_cache(maxsize=1024)
def _zone(name: str | None) -> ZoneInfo:
    # A zone that this machine's tzdata lacks must not take the board down with it.
    return (name and parse_zone(name)) or UTC_ZONE
