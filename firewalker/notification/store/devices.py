"""Statements on the devices that are pushed to."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from firewalker.kernel.ids import SessionId, UserId
from firewalker.notification.domain.device import Device, Platform, Registration, Target
from firewalker.runtime.mysql import Transaction

_COLUMNS = """
    installation_id, user_id, session_id, platform, target, registration, generation, app_version, locale, register_time,
    last_seen_time, last_success_time
"""

# Whoever has the registration elsewhere loses it. Index device_registration.
_TAKE_AWAY = "DELETE FROM device WHERE registration_hash = %(hash)s AND installation_id <> %(installation)s"

# Primary key. The time of the first registration stays as long as nothing else changes.
_SAVE = f"""
    INSERT INTO device ({_COLUMNS}, registration_hash)
    VALUES (%(installation)s, %(user)s, %(session)s, %(platform)s, %(target)s, %(registration)s, %(generation)s,
            %(version)s, %(locale)s, %(at)s, %(at)s, NULL, %(hash)s)
    ON DUPLICATE KEY UPDATE
        register_time = IF(user_id = VALUES(user_id) AND registration_hash = VALUES(registration_hash),
                           register_time, VALUES(register_time)),
        user_id = VALUES(user_id), session_id = VALUES(session_id), platform = VALUES(platform),
        target = VALUES(target), registration = VALUES(registration),
        registration_hash = VALUES(registration_hash), generation = VALUES(generation),
        app_version = VALUES(app_version), locale = VALUES(locale), last_seen_time = VALUES(last_seen_time)
"""

# The devices of some users. Index device_user.
_LIST = f"SELECT {_COLUMNS} FROM device WHERE user_id IN ({{places}}) ORDER BY last_seen_time DESC, installation_id"
_WITH_DEVICES = "SELECT DISTINCT user_id FROM device WHERE user_id IN ({places})"

# Primary key.
_FIND = f"SELECT {_COLUMNS} FROM device WHERE installation_id IN ({{places}})"

# Index device_last_seen, backwards.
_ANY = f"""
    SELECT {_COLUMNS} FROM device WHERE %(platform)s IS NULL OR platform = %(platform)s
    ORDER BY last_seen_time DESC LIMIT 1
"""

# Primary key.
_DELETE = "DELETE FROM device WHERE installation_id = %s AND user_id = %s"
_DELETE_GENERATION = "DELETE FROM device WHERE installation_id = %s AND generation = %s"
_NOTE_SUCCESS = """
    UPDATE device SET last_success_time = %s
    WHERE (installation_id, generation) IN ({places})
"""

# Index device_session, primary key. What a newer session has registered stays: the ids of sessions grow with time.
_DELETE_OF_SESSION = "DELETE FROM device WHERE session_id = %s AND user_id = %s"
_DELETE_LEFT = """
    DELETE FROM device
    WHERE installation_id = %(installation)s AND user_id = %(user)s AND session_id < %(session)s AND last_seen_time <= %(at)s
"""

# Index device_user.
_DELETE_OF_USER = "DELETE FROM device WHERE user_id = %s"

# Index device_last_seen.
_DELETE_UNSEEN = "DELETE FROM device WHERE last_seen_time < %s ORDER BY last_seen_time LIMIT %s"
_COUNT = "SELECT COUNT(*) FROM device"

# Primary key; index ended_session_end_time.
_NOTE_ENDED = """
    INSERT INTO ended_session (user_id, session_id, end_time) VALUES (%s, %s, %s)
    ON DUPLICATE KEY UPDATE end_time = VALUES(end_time)
"""
_HAS_ENDED = "SELECT end_time FROM ended_session WHERE user_id = %s AND session_id = %s"
_FORGET_ENDED = "DELETE FROM ended_session WHERE end_time < %s ORDER BY end_time LIMIT %s"

# Index prune_time.
_NOTE_PRUNE = "INSERT INTO prune (prune_time) VALUES (%s)"
_COUNT_PRUNED = "SELECT COUNT(*) FROM prune WHERE prune_time > %s"
_FORGET_PRUNED = "DELETE FROM prune WHERE prune_time < %s ORDER BY prune_time LIMIT %s"


class Devices:
    """The tables `device`, `ended_session` and `prune`."""

    async def save(self, tx: Transaction, device: Device) -> None:
        """Store the device; its registration belongs to no other installation from then on."""
        values = {
            "installation": device.installation_id,
            "user": device.user_id.bytes,
            "session": device.session_id.bytes,
            "platform": device.platform.value,
            "target": device.registration.target.value,
            "registration": device.registration.value,
            "hash": device.registration.digest,
            "generation": device.generation.bytes,
            "version": device.app_version,
            "locale": device.locale,
            "at": device.last_seen_time,
        }
        await tx.execute(_TAKE_AWAY, values)
        await tx.execute(_SAVE, values)

    async def list(self, tx: Transaction, users: Collection[UserId]) -> Sequence[Device]:
        """The devices of *users*, the one seen last first."""
        if not users:
            return []
        ids = [user.bytes for user in users]
        return [_device(row) for row in await tx.all(_LIST.format(places=_places(ids)), ids)]

    async def list_users(self, tx: Transaction, users: Collection[UserId]) -> set[UserId]:
        """Those of *users* who have a device."""
        if not users:
            return set()
        ids = [user.bytes for user in users]
        return {UserId(UUID(bytes=user)) for (user,) in await tx.all(_WITH_DEVICES.format(places=_places(ids)), ids)}

    async def find(self, tx: Transaction, installations: Collection[str]) -> dict[str, Device]:
        """The devices of these installations, by installation."""
        if not installations:
            return {}
        ids = sorted(set(installations))
        rows = await tx.all(_FIND.format(places=_places(ids)), ids)
        return {device.installation_id: device for device in map(_device, rows)}

    async def find_any(self, tx: Transaction, platform: Platform | None) -> Device | None:
        """The device of the platform, of any if None, that was seen last."""
        row = await tx.find(_ANY, {"platform": platform.value if platform else None})
        return None if row is None else _device(row)

    async def delete(self, tx: Transaction, installation: str, user: UserId) -> int:
        """Detach the installation, if it is *user*'s, and tell whether it was."""
        return await tx.execute(_DELETE, (installation, user.bytes))

    async def delete_generation(self, tx: Transaction, installation: str, generation: UUID, at: datetime) -> bool:
        """Prune exactly that registration, and tell whether it was still the present one (FCM-05)."""
        if not await tx.execute(_DELETE_GENERATION, (installation, generation.bytes)):
            return False
        await tx.execute(_NOTE_PRUNE, (at,))
        return True

    async def delete_of_session(self, tx: Transaction, user: UserId, session: SessionId) -> None:
        """Detach what the session has registered."""
        await tx.execute(_DELETE_OF_SESSION, (session.bytes, user.bytes))

    async def delete_left(
        self, tx: Transaction, user: UserId, session: SessionId, installation: str, at: datetime
    ) -> None:
        """Detach what the session, which ended at *at*, has registered, and what an older one has for its installation.

        *user*'s row is locked, as it is by who registers: from now on the session cannot register anything (`has_ended`).
        Which of two sessions is the older is told by the clocks of those who opened them: of two sign-ins on one phone within
        the difference of these clocks, the wrong one may count as the older.
        """
        await tx.execute(_NOTE_ENDED, (user.bytes, session.bytes, at))
        await self.delete_of_session(tx, user, session)
        if installation:
            values = {"installation": installation, "user": user.bytes, "session": session.bytes, "at": at}
            await tx.execute(_DELETE_LEFT, values)

    async def has_ended(self, tx: Transaction, user: UserId, session: SessionId) -> bool:
        """Whether it is known to have ended lately. *user*'s row is locked."""
        return await tx.find(_HAS_ENDED, (user.bytes, session.bytes)) is not None

    async def forget_ended(self, tx: Transaction, before: datetime, limit: int) -> int:
        """Forget at most *limit* sessions that ended before that time, and tell how many."""
        return await tx.execute(_FORGET_ENDED, (before, limit))

    async def delete_all(self, tx: Transaction, user: UserId) -> None:
        """Detach all of *user*'s."""
        await tx.execute(_DELETE_OF_USER, (user.bytes,))

    async def delete_unseen(self, tx: Transaction, before: datetime, limit: int) -> int:
        """Detach at most *limit* devices that were not seen since *before*, and tell how many."""
        return await tx.execute(_DELETE_UNSEEN, (before, limit))

    async def note_success(self, tx: Transaction, taken: Collection[tuple[str, UUID]], at: datetime) -> None:
        """FCM took something for these installations, of these generations, at *at*."""
        if taken:
            flat = [part for installation, generation in sorted(taken) for part in (installation, generation.bytes)]
            places = ",".join(["(%s, %s)"] * len(taken))
            await tx.execute(_NOTE_SUCCESS.format(places=places), [at, *flat])

    async def count(self, tx: Transaction) -> int:
        """How many there are. Slow where there are millions: ask seldom."""
        (number,) = await tx.one(_COUNT)
        return int(number)

    async def count_pruned(self, tx: Transaction, since: datetime) -> int:
        """How many were pruned since then, by all processes."""
        (number,) = await tx.one(_COUNT_PRUNED, (since,))
        return int(number)

    async def forget_pruned(self, tx: Transaction, before: datetime, limit: int) -> int:
        """Forget at most *limit* notes of what was pruned before that time, and tell how many."""
        return await tx.execute(_FORGET_PRUNED, (before, limit))


def _places(values: Collection[object]) -> str:
    return ",".join(["%s"] * len(values))


def _device(row: tuple[Any, ...]) -> Device:
    installation, user, session, platform, target, value, generation, version, locale, registered, seen, success = row
    return Device(
        installation_id=installation,
        user_id=UserId(UUID(bytes=user)),
        session_id=SessionId(UUID(bytes=session)),
        platform=Platform(platform),
        registration=Registration(Target(target), value),
        generation=UUID(bytes=generation),
        app_version=version,
        locale=locale,
        register_time=registered,
        last_seen_time=seen,
        last_success_time=success,
    )
