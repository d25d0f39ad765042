"""Statements of the inbox."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from firewalker.kernel.ids import NotificationId, UserId
from firewalker.notification.domain.notification import Notification, Type
from firewalker.runtime.mysql import Transaction

# Adds notifications; those that are there already stay as they are. Primary key.
_ADD_HEAD = """
    INSERT INTO notification (user_id, notification_id, type, params, create_time, actor_id, dedupe_key, revision) VALUES
"""
_ADD_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s)"
_ADD_TAIL = "ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)"

# Which of the keys are taken. Index notification_dedupe.
_TAKEN = "SELECT user_id, dedupe_key FROM notification WHERE (user_id, dedupe_key) IN ({places})"

_COLUMNS = "notification_id, type, params, create_time, read_time, actor_id, revision"

# One page of a user's inbox, newest first: ids are UUIDv7. Primary key, backwards.
_LIST = f"""
    SELECT {_COLUMNS} FROM notification
    WHERE user_id = %(user)s AND notification_id < %(before)s AND (%(all)s OR read_time IS NULL)
    ORDER BY notification_id DESC LIMIT %(limit)s
"""

# What came into a user's inbox since a state of it, as it came. Index notification_revision.
_LIST_SINCE = f"""
    SELECT {_COLUMNS} FROM notification
    WHERE user_id = %(user)s AND revision > %(revision)s ORDER BY revision, notification_id LIMIT %(limit)s
"""

# How many of a user's notifications are unread. Index notification_unread.
_COUNT_UNREAD = "SELECT COUNT(*) FROM notification WHERE user_id = %(user)s AND read_time IS NULL"

# Which of some notifications are there and unread. Primary key.
_UNREAD = """
    SELECT notification_id FROM notification
    WHERE user_id = %s AND read_time IS NULL AND notification_id IN ({places})
"""

_UNREAD_OF = """
    SELECT user_id, notification_id FROM notification WHERE (user_id, notification_id) IN ({places}) AND read_time IS NULL
"""

# Primary key, and index notification_unread.
_READ_SOME = """
    UPDATE notification SET read_time = %s WHERE user_id = %s AND read_time IS NULL AND notification_id IN ({places})
"""
_READ_ALL = """
    UPDATE notification SET read_time = %(at)s
    WHERE user_id = %(user)s AND read_time IS NULL AND create_time <= %(before)s
"""

# What begins with a key, behind which come a colon and more; the semicolon comes behind the colon. Index notification_dedupe.
_OF_KEY = "user_id IN ({places}) AND dedupe_key >= %s AND dedupe_key < %s"
_LIST_OF_KEY = f"SELECT user_id FROM notification WHERE {_OF_KEY}"
_DELETE_OF_KEY = f"DELETE FROM notification WHERE {_OF_KEY}"
_FREE_OF_KEY = f"UPDATE notification SET dedupe_key = NULL WHERE {_OF_KEY}"

# What one user is told of another. Primary key; index notification_actor.
_DELETE_OF_TYPE = "DELETE FROM notification WHERE user_id = %s AND actor_id = %s AND type = %s"
_DELETE_BETWEEN = """
    DELETE FROM notification WHERE actor_id IN (%(one)s, %(other)s) AND user_id IN (%(one)s, %(other)s)
"""
_FREE_BETWEEN = """
    UPDATE notification SET dedupe_key = NULL
    WHERE actor_id IN (%(one)s, %(other)s) AND user_id IN (%(one)s, %(other)s)
      AND type IN ('FRIEND_REQUEST', 'FRIEND_ACCEPTED')
"""
_LIST_ABOUT = "SELECT user_id, notification_id FROM notification WHERE actor_id = %s LIMIT %s"
_DELETE_SOME = "DELETE FROM notification WHERE (user_id, notification_id) IN ({places})"
_DELETE_OF_USER = "DELETE FROM notification WHERE user_id = %s"

# Index notification_create_time.
_DELETE_OLD = "DELETE FROM notification WHERE create_time < %s ORDER BY create_time LIMIT %s"

_NEWEST = b"\xff" * 16


class Notifications:
    """The table `notification`."""

    async def add(self, tx: Transaction, notifications: Sequence[Notification]) -> None:
        """Add *notifications*; one that is there already is left alone. Rows are written in key order."""
        rows = sorted(
            (
                (
                    n.user_id.bytes,
                    n.notification_id.bytes,
                    n.type.value,
                    json.dumps(dict(n.params), ensure_ascii=False),
                    n.create_time,
                    n.actor_id.bytes if n.actor_id else None,
                    n.dedupe_key,
                    n.revision,
                )
                for n in notifications
            ),
            key=lambda row: row[:2],
        )
        await tx.execute_rows(_ADD_HEAD, _ADD_ROW, rows, _ADD_TAIL)

    async def list_taken(self, tx: Transaction, keys: Iterable[tuple[UserId, str]]) -> set[tuple[UserId, str]]:
        """Those of the users' dedupe *keys* that are in their inboxes."""
        flat = [part for user, key in sorted(set(keys)) for part in (user.bytes, key)]
        if not flat:
            return set()
        rows = await tx.all(_TAKEN.format(places=",".join(["(%s, %s)"] * (len(flat) // 2))), flat)
        return {(UserId(UUID(bytes=user)), key) for user, key in rows}

    async def list_before(
        self, tx: Transaction, user: UserId, before: NotificationId | None, *, unread_only: bool, limit: int
    ) -> list[Notification]:
        """Up to *limit* notifications of *user* that are older than *before* (None: from the newest), newest first."""
        rows = await tx.all(
            _LIST,
            {
                "user": user.bytes,
                "before": before.bytes if before else _NEWEST,
                "all": not unread_only,
                "limit": limit,
            },
        )
        return [_notification(user, row) for row in rows]

    async def list_since(self, tx: Transaction, user: UserId, revision: int, limit: int) -> list[Notification]:
        """Up to *limit* notifications of *user* that came after the inbox was at *revision*, as they came."""
        rows = await tx.all(_LIST_SINCE, {"user": user.bytes, "revision": revision, "limit": limit})
        return [_notification(user, row) for row in rows]

    async def count_unread(self, tx: Transaction, user: UserId) -> int:
        """How many notifications of *user* were never read."""
        (count,) = await tx.one(_COUNT_UNREAD, {"user": user.bytes})
        return int(count)

    async def list_unread(self, tx: Transaction, user: UserId, ids: Collection[NotificationId]) -> set[NotificationId]:
        """Those of the notifications that are in *user*'s inbox and unread."""
        if not ids:
            return set()
        rows = await tx.all(_UNREAD.format(places=_places(ids)), [user.bytes, *(i.bytes for i in ids)])
        return {NotificationId(UUID(bytes=found)) for (found,) in rows}

    async def list_unread_of(
        self, tx: Transaction, keys: Collection[tuple[UserId, NotificationId]]
    ) -> set[tuple[UserId, NotificationId]]:
        """Those of the notifications of several users that are in their inboxes and unread."""
        if not keys:
            return set()
        flat = [part.bytes for key in sorted(keys) for part in key]
        rows = await tx.all(_UNREAD_OF.format(places=",".join(["(%s, %s)"] * len(keys))), flat)
        return {(UserId(UUID(bytes=user)), NotificationId(UUID(bytes=found))) for user, found in rows}

    async def mark_read(self, tx: Transaction, user: UserId, ids: Collection[NotificationId], at: datetime) -> int:
        """Mark these of *user*'s as read at *at*, and tell how many were not."""
        if not ids:
            return 0
        ordered = sorted(i.bytes for i in ids)
        return await tx.execute(_READ_SOME.format(places=_places(ordered)), [at, user.bytes, *ordered])

    async def mark_all_read(self, tx: Transaction, user: UserId, before: datetime, at: datetime) -> int:
        """Mark all of *user*'s that happened at *before* or earlier as read at *at*, and tell how many were not."""
        return await tx.execute(_READ_ALL, {"user": user.bytes, "before": before, "at": at})

    async def delete_of(self, tx: Transaction, user: UserId, actor: UserId, kind: Type) -> int:
        """Remove what *user* was told of *actor* of one type, and tell how many that were."""
        return await tx.execute(_DELETE_OF_TYPE, (user.bytes, actor.bytes, kind.value))

    async def delete_between(self, tx: Transaction, one: UserId, other: UserId) -> int:
        """Remove what either was told of the other."""
        return await tx.execute(_DELETE_BETWEEN, {"one": one.bytes, "other": other.bytes})

    async def delete_of_key(self, tx: Transaction, users: Collection[UserId], key: str) -> set[UserId]:
        """Remove what *users* were told under dedupe keys that begin with *key*, and tell whom there was something of."""
        params = [*sorted(user.bytes for user in users), f"{key}:", f"{key};"]
        found = await tx.all(_LIST_OF_KEY.format(places=_places(users)), params)
        await tx.execute(_DELETE_OF_KEY.format(places=_places(users)), params)
        return {UserId(UUID(bytes=user)) for (user,) in found}

    async def free_of_key(self, tx: Transaction, users: Collection[UserId], key: str) -> None:
        """Let the same be told *users* anew."""
        params = [*sorted(user.bytes for user in users), f"{key}:", f"{key};"]
        await tx.execute(_FREE_OF_KEY.format(places=_places(users)), params)

    async def free_between(self, tx: Transaction, one: UserId, other: UserId) -> None:
        """Let a request and an acceptance between them be told anew: with the end of a friendship those before it are over."""
        await tx.execute(_FREE_BETWEEN, {"one": one.bytes, "other": other.bytes})

    async def list_about(self, tx: Transaction, actor: UserId, limit: int) -> list[tuple[UserId, NotificationId]]:
        """At most *limit* of those that tell somebody of *actor*."""
        rows = await tx.all(_LIST_ABOUT, (actor.bytes, limit))
        return [(UserId(UUID(bytes=user)), NotificationId(UUID(bytes=found))) for user, found in rows]

    async def delete_some(self, tx: Transaction, keys: Collection[tuple[UserId, NotificationId]]) -> None:
        """Remove these of several users."""
        flat = [part.bytes for key in sorted(keys) for part in key]
        await tx.execute(_DELETE_SOME.format(places=",".join(["(%s, %s)"] * len(keys))), flat)

    async def delete_all(self, tx: Transaction, user: UserId) -> None:
        """Remove the inbox of *user*."""
        await tx.execute(_DELETE_OF_USER, (user.bytes,))

    async def delete_before(self, tx: Transaction, before: datetime, limit: int) -> int:
        """Remove at most *limit* notifications from before that time, the oldest first, and tell how many."""
        return await tx.execute(_DELETE_OLD, (before, limit))


def _places(values: Collection[object]) -> str:
    return ",".join(["%s"] * len(values))


def _notification(user: UserId, row: tuple[Any, ...]) -> Notification:
    notification_id, kind, params, create_time, read_time, actor, revision = row
    return Notification(
        notification_id=NotificationId(UUID(bytes=notification_id)),
        user_id=user,
        type=Type(kind),
        params=json.loads(params),
        create_time=create_time,
        read_time=read_time,
        actor_id=UserId(UUID(bytes=actor)) if actor else None,
        revision=int(revision),
    )
