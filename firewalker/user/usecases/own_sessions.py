"""Looking at one's sessions, and ending them from another one. Signing in and out of this one is `sessions`'s."""

from collections.abc import Sequence

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import SessionId, UserId
from firewalker.runtime.mysql import Database, retried
from firewalker.user.domain.faults import SessionNotFound
from firewalker.user.domain.session import EndReason, Session
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.sessions import Sessions as SessionStore
from firewalker.user.usecases.ended_sessions import end_all
from firewalker.user.usecases.ports import Endings


class OwnSessions:
    """The sessions of one user."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        sessions: SessionStore,
        endings: Endings,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._sessions = sessions
        self._endings = endings
        self._clock = clock

    async def list(self, caller: UserId) -> Sequence[Session]:
        """The caller's living sessions, the one used last first."""
        async with self._database.reading() as reading:
            alive = await self._sessions.list_alive(reading, caller, moment(self._clock))
        return sorted(alive, key=lambda session: (session.last_used_time, session.session_id), reverse=True)

    async def revoke(self, caller: UserId, session_id: SessionId) -> None:
        """End one of them. Repeating it is OK; committed and announced when this returns.

        Raises:
            SessionNotFound: The caller has no such session.
        """
        await self._endings.tell([await self._revoke(caller, session_id)])

    async def end_everywhere(self, caller: UserId) -> None:
        """End all of them. Committed and announced when this returns."""
        ended = await self._end_everywhere(caller)
        await self._endings.tell(ended)

    @retried(idempotent=True)
    async def _revoke(self, caller: UserId, session_id: SessionId) -> Session:
        async with self._database.transaction() as tx:
            session = await self._sessions.lock(tx, session_id)
            if session is None or session.user_id != caller:
                raise SessionNotFound
            ended = session.end(EndReason.REVOKED, moment(self._clock))
            await self._sessions.save(tx, ended)
        return ended

    @retried(idempotent=True)
    async def _end_everywhere(self, caller: UserId) -> Sequence[Session]:
        async with self._database.transaction() as tx:
            # Who signs in at this moment waits here, or was first: none is forgotten.
            await self._accounts.lock(tx, caller)
            return await end_all(tx, self._sessions, caller, EndReason.EVERYWHERE, moment(self._clock))
