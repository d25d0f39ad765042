"""Sessions that tell of themselves: each end, whatever ended it, and each sign-in on a device that was not known.

Told in the transaction of the change, to the service that pushes: a device is pushed to for as long as its session lives. And
written to the log, with the line of the call that did it under the same request id: what happened to whose account (AUTH-39).
"""

from datetime import datetime
from typing import Any

import structlog

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.ids import EventId, new_uuid7
from firewalker.kernel.principal import current_request
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
            await self._tell(tx, "SecurityNoticed", session.create_time, security_noticed=noticed)

    async def save(self, tx: Transaction, session: Session) -> bool:
        """Store what may change; an end is told once, when it is stored first."""
        changed = await super().save(tx, session)
        if changed and session.end_time is not None:
            _write(tx, "session ended", session, why=session.end_reason and session.end_reason.name)
            ended = pb.SessionEnded(
                user_id=str(session.user_id),
                session_id=str(session.session_id),
                installation_id=session.client.installation_id,
            )
            await self._tell(tx, "SessionEnded", session.end_time, session_ended=ended)
        return changed

    async def _tell(self, tx: Transaction, kind: str, at: datetime, **fact: Any) -> None:
        event_id = EventId(new_uuid7(int(at.timestamp() * 1000)))
        event = pb.Event(event_id=str(event_id), create_time=at, **fact)
        await self._outbox.append(tx, [OutboxEvent(event_id, kind, bytes(event), at)], to=_TOLD)


def _write(tx: Transaction, what: str, session: Session, **more: Any) -> None:
    """Write a line once it is true."""
    about = {"user_id": session.user_id, "session_id": session.session_id, "request_id": current_request.get()}
    tx.after_commit(lambda: _log.info(what, **about, **more))
