"""Statements on what is known of users here: how they want to be told, where they live, how far their inbox has come."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from firewalker.kernel.ids import UserId
from firewalker.notification.domain.notification import Type
from firewalker.notification.domain.preferences import Channel, Locale, Preferences, PushText, Recipient
from firewalker.notification.domain.quiet_hours import QuietHours
from firewalker.runtime.mysql import Transaction

# Makes the rows that are missing, and locks all of them. Primary key.
_MAKE_HEAD = "INSERT INTO recipient (user_id) VALUES"
_MAKE_TAIL = "ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)"

_COLUMNS = (
    "user_id, time_zone, quiet_start, quiet_end, locale, device_locale, channels, push_text, erase_time IS NOT NULL"
)

# Primary key, like all of these.
_LIST = f"SELECT {_COLUMNS} FROM recipient WHERE user_id IN ({{places}})"
_REVISIONS = "SELECT user_id, revision FROM recipient WHERE user_id IN ({places})"
_ADVANCE = "UPDATE recipient SET revision = revision + 1 WHERE user_id IN ({places})"
_MOVE = """
    UPDATE recipient SET time_zone = %(zone)s, time_zone_time = %(at)s
    WHERE user_id = %(user)s AND (time_zone_time IS NULL OR time_zone_time <= %(at)s)
"""
_SAVE = """
    UPDATE recipient SET quiet_start = %(start)s, quiet_end = %(end)s, locale = %(locale)s, channels = %(channels)s,
        push_text = %(push_text)s
    WHERE user_id = %(user)s
"""
_SAVE_DEVICE_LOCALE = "UPDATE recipient SET device_locale = %s WHERE user_id = %s"
_ERASE = """
    UPDATE recipient
    SET erase_time = COALESCE(erase_time, %(at)s), time_zone = 'UTC', locale = NULL, device_locale = NULL,
        channels = '{}', push_text = 'FULL', quiet_start = 1320, quiet_end = 480, revision = revision + 1
    WHERE user_id = %(user)s
"""


class Recipients:
    """The table `recipient`."""

    async def lock(self, tx: Transaction, users: Collection[UserId]) -> dict[UserId, Recipient]:
        """All of *users*, made if missing, locked until *tx* ends, in the order of the key."""
        if not users:
            return {}
        await tx.execute_rows(_MAKE_HEAD, "(%s)", [(user.bytes,) for user in sorted(set(users))], _MAKE_TAIL)
        return await self.list(tx, users)

    async def list(self, tx: Transaction, users: Collection[UserId]) -> dict[UserId, Recipient]:
        """Those of *users* of whom anything is known."""
        rows = await _in(tx, _LIST, users)
        return {recipient.user_id: recipient for recipient in map(_recipient, rows)}

    async def get(self, tx: Transaction, user: UserId) -> Recipient:
        """*user*, with the defaults if nothing is known."""
        return (await self.list(tx, [user])).get(user, Recipient(user))

    async def advance(self, tx: Transaction, users: Collection[UserId]) -> dict[UserId, int]:
        """Count one change of the inboxes of *users*, whose rows are locked, and tell the new revisions."""
        if not users:
            return {}
        ids = [user.bytes for user in sorted(set(users))]
        await tx.execute(_ADVANCE.format(places=_places(ids)), ids)
        return await self.list_revisions(tx, users)

    async def list_revisions(self, tx: Transaction, users: Collection[UserId]) -> dict[UserId, int]:
        """How often the inboxes of *users* were changed."""
        return {UserId(UUID(bytes=user)): int(number) for user, number in await _in(tx, _REVISIONS, users)}

    async def save_zone(self, tx: Transaction, user: UserId, zone: str, at: datetime) -> None:
        """*user* lives in *zone* as of *at*; what is known of a later time stays."""
        await tx.execute(_MOVE, {"user": user.bytes, "zone": zone, "at": at})

    async def save_preferences(self, tx: Transaction, user: UserId, preferences: Preferences) -> None:
        """Replace the preferences of *user*."""
        channels = {kind.value: channel.value for kind, channel in preferences.channels.items()}
        await tx.execute(
            _SAVE,
            {
                "user": user.bytes,
                "start": preferences.quiet_hours.start,
                "end": preferences.quiet_hours.end,
                "locale": preferences.locale.value if preferences.locale else None,
                "channels": json.dumps(channels),
                "push_text": preferences.push_text.value,
            },
        )

    async def save_device_locale(self, tx: Transaction, user: UserId, locale: Locale) -> None:
        """The language of the device that *user* registered last."""
        await tx.execute(_SAVE_DEVICE_LOCALE, (locale.value, user.bytes))

    async def erase(self, tx: Transaction, user: UserId, at: datetime) -> None:
        """Forget all but that the account of *user*, whose row is locked, is gone."""
        await tx.execute(_ERASE, {"user": user.bytes, "at": at})


async def _in(tx: Transaction, statement: str, users: Collection[UserId]) -> Sequence[tuple[Any, ...]]:
    ids = [user.bytes for user in sorted(set(users))]
    return await tx.all(statement.format(places=_places(ids)), ids) if ids else ()


def _places(ids: Sequence[object]) -> str:
    return ",".join(["%s"] * len(ids))


def _recipient(row: tuple[Any, ...]) -> Recipient:
    user, zone, start, end, locale, device_locale, channels, push_text, erased = row
    chosen: Mapping[str, str] = json.loads(channels)
    return Recipient(
        user_id=UserId(UUID(bytes=user)),
        preferences=Preferences(
            channels={Type(kind): Channel(channel) for kind, channel in chosen.items()},
            quiet_hours=QuietHours(start, end),
            locale=Locale(locale) if locale else None,
            push_text=PushText(push_text),
        ),
        time_zone=zone,
        device_locale=Locale(device_locale) if device_locale else None,
        erased=bool(erased),
    )
