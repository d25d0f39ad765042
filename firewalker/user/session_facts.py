"""Sessions that tell of themselves: each end, whatever ended it, and each sign-in on a device that was not known.

Told in the transaction of the change, to the service that pushes: a device is pushed to for as long as its session lives. And
written to the log, with the line of the call that did it under the same request id: what happened to whose account (AUTH-39).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.ids import EventId, new_uuid7
from firewalker.runtime.mysql import Transaction
from firewalker.runtime.outbox import Outbox, OutboxEvent
from firewalker.user.domain.session import Session
from firewalker.user.store.sessions import Sessions

_TOLD = ("notification",)

_log = structlog.get_logger(__name__)


class ToldSessions(Sessions):
    """The sessions of this database, and an outbox for what others have to know of them."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def add(self, tx: Transaction, session: Session) -> None:
        """Add a new session; a first one is no news to its owner, and one on a known device neither."""
        known = await self.known_devices(tx, session.user_id)
        await super().add(tx, session)
        _write(tx, "session opened", session)
        installation = session.client.installation_id
        if known and (not installation or installation not in known):
            noticed = pb.SecurityNoticed(
                user_id=str(session.user_id),
                kind=pb.SecurityNoticedKind.NEW_LOGIN,
                device_name=session.client.device_name,
                session_id=str(session.session_id),
            )
            at = session.create_time
            event_id = EventId(new_uuid7(_ms(at)))
            event = pb.Event(event_id=str(event_id), create_time=at, security_noticed=noticed)
            told = OutboxEvent(event_id, "SecurityNoticed", bytes(event), at, session.user_id)
            await self._outbox.append(tx, [told], to=_TOLD)

    async def save(self, tx: Transaction, session: Session) -> bool:
        """Store what may change; an end is told once, when it is stored first."""
        changed = await super().save(tx, session)
        if changed and (at := session.end_time) is not None:
            _write(tx, "session ended", session, why=session.end_reason and session.end_reason.name)
            event_id, event = ended_event(session, at)
            told = OutboxEvent(event_id, "SessionEnded", bytes(event), at, session.user_id)
            await self._outbox.append(tx, [told], to=_TOLD)
        return changed


def ended_event(session: Session, at: datetime) -> tuple[EventId, pb.Event]:
    """That *session* ended at *at*, as it is told: under the same id however often.

    The id is the session's own, with the time of the end in the place of that of the beginning.
    """
    event_id = EventId(UUID(bytes=_ms(at).to_bytes(6, "big") + session.session_id.bytes[6:]))
    ended = pb.SessionEnded(
        user_id=str(session.user_id),
        session_id=str(session.session_id),
        installation_id=session.client.installation_id,
    )
    return event_id, pb.Event(event_id=str(event_id), create_time=at, session_ended=ended)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _write(tx: Transaction, what: str, session: Session, **more: Any) -> None:
    """Write a line once it is true."""
    about = {"user_id": session.user_id, "session_id": session.session_id}
    tx.after_commit(lambda: _log.info(what, **about, **more))
