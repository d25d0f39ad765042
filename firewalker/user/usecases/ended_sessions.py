"""Ending several sessions of a user, and telling every process: the words for it, and what to say again."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from firewalker.kernel.faults import SessionRevoked
from firewalker.kernel.ids import SessionId, UserId
from firewalker.kernel.principal import Principal
from firewalker.runtime.mysql import Database, Transaction
from firewalker.runtime.revocation import Revocation
from firewalker.runtime.tokens import LEEWAY, LIFETIME
from firewalker.user.domain.session import EndReason, Session
from firewalker.user.store.sessions import Sessions

KEPT = timedelta(days=90)
"""How long it is known where somebody was signed in: for them, and as their known devices (PRIV-07)."""


class EndedSessions:
    """The sessions that were ended on purpose, as MySQL knows them."""

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database = database
        self._sessions = sessions

    async def since(self, at: datetime) -> Iterable[Revocation]:
        """Those ended at *at* or later, the earliest first."""
        async with self._database.reading() as reading:
            return list(map(revocation, await self._sessions.list_ended_since(reading, at)))

    async def has_ended(self, session_id: SessionId) -> bool:
        """Whether this one has ended, or never was."""
        async with self._database.reading() as reading:
            return await self._sessions.has_ended(reading, session_id)

    async def forget(self, at: datetime) -> int:
        """Remove some of those that were over 90 days before *at*, and tell how many."""
        async with self._database.transaction() as tx:
            return await self._sessions.forget(tx, at - KEPT)


async def end_all(
    tx: Transaction,
    sessions: Sessions,
    user_id: UserId,
    reason: EndReason,
    at: datetime,
    *,
    spare: SessionId | None = None,
) -> Sequence[Session]:
    """End every living session of a user whose account is locked, but for *spare*; announce them after the commit."""
    ended = []
    for alive in await sessions.list_alive(tx, user_id, at):
        locked = None if alive.session_id == spare else await sessions.lock(tx, alive.session_id)
        if locked is not None:
            ended.append(locked.end(reason, at))
            await sessions.save(tx, ended[-1])
    return ended


async def ensure_alive(tx: Transaction, sessions: Sessions, caller: Principal, at: datetime) -> None:
    """See to it that the session of a caller whose account is locked lives until *tx* ends.

    For what changes who gets in: the session that let a call in may have been ended while a password was hashed or a
    provider was asked, and whoever was thrown out must leave no door open.

    Raises:
        SessionRevoked: It has ended since the call came in.
    """
    session = await sessions.lock(tx, caller.session_id)
    if session is None or not session.is_alive(at):
        raise SessionRevoked


def revocation(session: Session) -> Revocation:
    """The announcement of an ended session."""
    return Revocation(
        session_id=session.session_id,
        reason=session.end_reason.name if session.end_reason else "",
        time=session.end_time,
    )


def is_news(session: Session, now: datetime) -> bool:
    """Whether an access token of an ended session may still be alive: else nobody has to be told that it ended."""
    return session.end_time is not None and now - session.end_time <= LIFETIME + LEEWAY
