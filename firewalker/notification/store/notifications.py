"""Statements of the inbox."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from firewalker.kernel.ids import NotificationId, UserId
from firewalker.notification.domain.notification import Notification, Type
from firewalker.runtime.mysql import Transaction

# Adds notifications; those that are there already stay as they are. Primary key.
_ADD_HEAD = "INSERT INTO notification (user_id, notification_id, type, params, create_time) VALUES"
_ADD_ROW = "(%s, %s, %s, %s, %s)"
_ADD_TAIL = "ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)"

# One page of a user's inbox, newest first: ids are UUIDv7. Primary key, backwards.
_LIST = """
    SELECT notification_id, type, params, create_time, read_time FROM notification
    WHERE user_id = %(user)s AND notification_id < %(before)s AND (%(all)s OR read_time IS NULL)
    ORDER BY notification_id DESC LIMIT %(limit)s
"""

# How many of a user's notifications are unread. Index notification_unread.
_COUNT_UNREAD = "SELECT COUNT(*) FROM notification WHERE user_id = %(user)s AND read_time IS NULL"

_NEWEST = b"\xff" * 16


class Notifications:
    """The table `notification`."""

    async def add(self, tx: Transaction, notifications: Sequence[Notification]) -> None:
        """Add *notifications*; one that is there already is left alone. Rows are written in key order."""
        rows = sorted(
            (
                n.user_id.bytes,
                n.notification_id.bytes,
                n.type.value,
                json.dumps(dict(n.params), ensure_ascii=False),
                n.create_time,
            )
            for n in notifications
        )
        if rows:
            await tx.execute_rows(_ADD_HEAD, _ADD_ROW, rows, _ADD_TAIL)

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

    async def count_unread(self, tx: Transaction, user: UserId) -> int:
        """How many notifications of *user* were never read."""
        (count,) = await tx.one(_COUNT_UNREAD, {"user": user.bytes})
        return int(count)


def _notification(user: UserId, row: tuple[bytes, str, str, datetime, datetime | None]) -> Notification:
    notification_id, kind, params, create_time, read_time = row
    return Notification(
        notification_id=NotificationId(UUID(bytes=notification_id)),
        user_id=user,
        type=Type(kind),
        params=json.loads(params),
        create_time=create_time,
        read_time=read_time,
    )
