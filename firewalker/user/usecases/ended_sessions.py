"""Telling every process that sessions have ended: the words for it, and what to say again to one that knows nothing."""

from collections.abc import Iterable
from datetime import datetime

from firewalker.runtime.mysql import Database
from firewalker.runtime.revocation import Revocation
from firewalker.runtime.tokens import LEEWAY, LIFETIME
from firewalker.user.domain.session import Session
from firewalker.user.store.sessions import Sessions


class EndedSessions:
    """The sessions that were ended on purpose, as MySQL knows them."""

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database = database
        self._sessions = sessions

    async def since(self, at: datetime) -> Iterable[Revocation]:
        """Those ended at *at* or later, the earliest first."""
        async with self._database.reading() as reading:
            return list(map(revocation, await self._sessions.list_ended_since(reading, at)))


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
