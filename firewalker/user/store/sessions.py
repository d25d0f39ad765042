"""Rows of `session`: who is signed in where."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from firewalker.kernel.ids import SessionId, UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.session import MAX_AGE, MAX_IDLE, Client, EndReason, Session
from firewalker.user.store.columns import uuid_of

_COLUMNS = """
    session_id, user_id, generation, key_id, secret_hash, create_time, last_used_time, installation_id, device_name,
    end_time, end_reason
"""

_ADD = f"""
    INSERT INTO session ({_COLUMNS})
    VALUES (%(session_id)s, %(user_id)s, %(generation)s, %(key_id)s, %(secret_hash)s, %(create_time)s,
            %(last_used_time)s, %(installation_id)s, %(device_name)s, %(end_time)s, %(end_reason)s)
"""

_LOCK = f"SELECT {_COLUMNS} FROM session WHERE session_id = %(session_id)s FOR UPDATE"
# primary key

_HAS_ENDED = "SELECT end_time IS NOT NULL FROM session WHERE session_id = %(session_id)s"
# primary key

_KNOWN_DEVICE = """
    SELECT 1 FROM session WHERE user_id = %(user_id)s AND installation_id = %(installation_id)s LIMIT 1
"""  # session_of_user

_SAVE = """
    UPDATE session
    SET generation = %(generation)s, key_id = %(key_id)s, secret_hash = %(secret_hash)s,
        last_used_time = %(last_used_time)s, end_time = %(end_time)s, end_reason = %(end_reason)s
    WHERE session_id = %(session_id)s
"""  # primary key

_LIST_ALIVE = f"""
    SELECT {_COLUMNS} FROM session
    WHERE user_id = %(user_id)s AND end_time IS NULL
      AND last_used_time > %(used_after)s AND create_time > %(made_after)s
"""  # session_of_user

_DEVICES = "SELECT DISTINCT installation_id FROM session WHERE user_id = %(user_id)s"  # session_of_user

_LIST_ENDED = f"SELECT {_COLUMNS} FROM session WHERE end_time >= %(since)s ORDER BY end_time"
# session_ended

_FORGET_ENDED = "DELETE FROM session WHERE end_time < %(before)s ORDER BY end_time LIMIT %(rows)s"
# session_ended

_FORGET_OLD = "DELETE FROM session WHERE session_id < %(made_before)s ORDER BY session_id LIMIT %(rows)s"
# primary key: ids begin with the time at which they were made


class Sessions:
    """The sessions of this database."""

    async def add(self, tx: Transaction, session: Session) -> None:
        """Add a new session."""
        await tx.execute(_ADD, _params(session))

    async def lock(self, tx: Transaction, session_id: SessionId) -> Session | None:
        """The session, locked until *tx* ends.

        The lock makes a rotation happen once: of two calls with the same token the second waits here and then sees
        what the first has made of the session.
        """
        row = await tx.find(_LOCK, {"session_id": session_id})
        return None if row is None else _session(row)

    async def has_ended(self, tx: Transaction, session_id: SessionId) -> bool:
        """Whether the session was ended on purpose, or never was."""
        row = await tx.find(_HAS_ENDED, {"session_id": session_id})
        return row is None or bool(row[0])

    async def is_known_device(self, tx: Transaction, user_id: UserId, installation_id: str) -> bool:
        """Whether the user was ever signed in on that device, as far as sessions are kept."""
        params = {"user_id": user_id, "installation_id": installation_id}
        return await tx.find(_KNOWN_DEVICE, params) is not None

    async def save(self, tx: Transaction, session: Session) -> bool:
        """Store what may change of a session that is there, and tell whether anything did."""
        return bool(await tx.execute(_SAVE, _params(session)))

    async def list_alive(self, tx: Transaction, user_id: UserId, at: datetime) -> Sequence[Session]:
        """The user's sessions that are neither ended nor expired at *at*; at most 20, in no order."""
        params = {"user_id": user_id, "used_after": at - MAX_IDLE, "made_after": at - MAX_AGE}
        return [_session(row) for row in await tx.all(_LIST_ALIVE, params)]

    async def known_devices(self, tx: Transaction, user_id: UserId) -> set[str]:
        """The installations that the user was ever signed in on, as far as sessions are kept; "" for one not told."""
        return {installation for (installation,) in await tx.all(_DEVICES, {"user_id": user_id})}

    async def list_ended_since(self, tx: Transaction, since: datetime) -> Sequence[Session]:
        """All sessions of all users that were ended on purpose at *since* or later, the earliest first."""
        return [_session(row) for row in await tx.all(_LIST_ENDED, {"since": since})]

    async def forget(self, tx: Transaction, before: datetime, rows: int = 500) -> int:
        """Remove some of those that were ended, or had expired at the latest, *before* then, and tell how many."""
        made_before = UUID(int=int((before - MAX_AGE).timestamp() * 1000) << 80)
        ended = await tx.execute(_FORGET_ENDED, {"before": before, "rows": rows})
        return ended + await tx.execute(_FORGET_OLD, {"made_before": made_before, "rows": rows})


def _params(session: Session) -> dict[str, object]:
    return {
        "session_id": session.session_id,
        "user_id": session.user_id,
        "generation": session.generation,
        "key_id": session.key_id,
        "secret_hash": session.secret_hash,
        "create_time": session.create_time,
        "last_used_time": session.last_used_time,
        "installation_id": session.client.installation_id,
        "device_name": session.client.device_name,
        "end_time": session.end_time,
        "end_reason": session.end_reason,
    }


def _session(row: tuple[Any, ...]) -> Session:
    session_id, user_id, generation, key_id, secret_hash, create_time, last_used_time, installation, name, end, why = (
        row
    )
    return Session(
        SessionId(uuid_of(session_id)),
        UserId(uuid_of(user_id)),
        generation,
        bytes(key_id),
        bytes(secret_hash),
        create_time=create_time,
        last_used_time=last_used_time,
        client=Client(installation, name),
        end_time=end,
        end_reason=None if why is None else EndReason(why),
    )
