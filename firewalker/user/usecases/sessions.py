"""Signing in, staying signed in, signing out."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.faults import Contention, Fault
from firewalker.kernel.ids import SessionId, UserId, new_uuid7_at
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.user.domain.account import Account, AccountState
from firewalker.user.domain.email import Email
from firewalker.user.domain.faults import BadCredentials, RefreshTokenInvalid, RefreshTokenReused
from firewalker.user.domain.refresh_token import RefreshKeys, RefreshToken
from firewalker.user.domain.security import Notice, SecurityNoticed
from firewalker.user.domain.session import Client, EndReason, Rotation, Session, overflowing
from firewalker.user.domain.user import User
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.sessions import Sessions as SessionStore
from firewalker.user.store.users import Users
from firewalker.user.usecases.ended_sessions import is_news
from firewalker.user.usecases.ports import Endings, Facts, Passwords, Throttles

_NOBODY = UserId(UUID(int=0))
_SIGN_IN_ATTEMPTS = 3  # each but the first because the password's hash was replaced in between


@dataclass(frozen=True, slots=True)
class Grant:
    """A session and the refresh token that its client should hold now."""

    session: Session
    refresh_token: RefreshToken


class Sessions:
    """Sessions, as far as their users may act on them."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        users: Users,
        sessions: SessionStore,
        passwords: Passwords,
        keys: RefreshKeys,
        endings: Endings,
        throttles: Throttles,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._keys = keys
        self._endings = endings
        self._throttles = throttles
        self._facts = facts
        self._clock = clock

    async def login(self, email: Email | None, password: str, client: Client) -> tuple[User, Grant]:
        """Open a session. *email* is None where the caller gave something that is no address; nobody has that.

        Raises:
            BadCredentials: Unknown address, wrong password or disabled account: the same words after the same work.
            RateExceeded: Too many were wrong.
            Overloaded: Too many passwords are being checked.
        """
        for _ in range(_SIGN_IN_ATTEMPTS):
            account = await self._authenticate(email, password, client)
            opened = await self._open(account, client)
            if opened is None:
                continue
            user, grant, ended = opened
            if ended:
                await self._endings.tell(ended)
            before = account.password_hash
            if before is not None and self._passwords.is_outdated(before):
                await self._rehash(account.user_id, before, password)
            return user, grant
        raise Contention

    async def open_for(
        self, user_id: UserId, client: Client, still: Callable[[Transaction], Awaitable[bool]]
    ) -> tuple[User, Grant]:
        """Open a session for somebody who was recognised otherwise than by a password.

        *still* tells, once nobody else can change the account, whether what they were recognised by is good.

        Raises:
            BadCredentials: There is no such account, or it is disabled.
            Contention: It is not good any more, or the account was changed elsewhere again and again.
        """
        for _ in range(_SIGN_IN_ATTEMPTS):
            account = await self.account_of(user_id, user_id)
            opened = await self._open(account, client, still)
            if opened is not None:
                user, grant, ended = opened
                if ended:
                    await self._endings.tell(ended)
                return user, grant
        raise Contention

    async def account_of(self, user_id: UserId, recognised: UserId | None) -> Account:
        """The account of *user_id*, if that is who was *recognised*.

        Raises:
            BadCredentials: It is not, or there is no such account, or it is disabled.
        """
        async with self._database.reading() as reading:
            account = await self._accounts.find(reading, user_id)
        if account is None or recognised != user_id or account.state is not AccountState.ACTIVE:
            raise BadCredentials
        return account

    async def refresh(self, text: str) -> Grant:
        """Rotate a refresh token. Repeating with the same one gives the same successor until that was used.

        Raises:
            RefreshTokenInvalid: Malformed, forged or expired, or the session has ended.
            RefreshTokenReused: Older than that. The session is ended, committed and announced.
        """
        presented = self._keys.open(text)
        if presented is None:
            raise RefreshTokenInvalid
        rotation, session = await self._rotate(presented)
        if rotation is Rotation.REUSED:
            await self._announce(session)
            raise RefreshTokenReused
        return Grant(session, session.newest_token(self._keys))

    async def logout(self, refresh_token: str | None, caller: SessionId | None) -> None:
        """End the session of *refresh_token*, any generation of it; without one, the *caller*'s session.

        OK means that no such session is alive any more, whether or not one was: a token that cannot be read names none.
        Committed and announced when this returns.
        """
        session_id = caller
        if refresh_token:
            presented = self._keys.open(refresh_token)
            session_id = None if presented is None else presented.session_id
        if session_id is None:
            return
        ended = await self._end(session_id)
        if ended is not None:
            await self._announce(ended)

    async def _announce(self, ended: Session) -> None:
        """Tell every process. Again for who repeats a call, as the answer may be lost; not about what ended long ago."""
        if is_news(ended, self._clock.now()):
            await self._endings.tell([ended])

    async def _authenticate(self, email: Email | None, password: str, client: Client) -> Account:
        account, known_device = None, ""
        if email is not None:
            async with self._database.reading() as reading:
                account = await self._accounts.find_by_email(reading, email)
                if client.installation_id:
                    # Asked for nobody too: whether there is an account must not show in the time.
                    user_id = _NOBODY if account is None else account.user_id
                    if await self._sessions.is_known_device(reading, user_id, client.installation_id):
                        known_device = client.installation_id
        async with self._throttles.guess(email, known_device):
            right = await self._passwords.verify(None if account is None else account.password_hash, password)
            if account is None or not right or account.state is not AccountState.ACTIVE:
                raise BadCredentials
        return account

    @retried
    async def _open(
        self, account: Account, client: Client, still: Callable[[Transaction], Awaitable[bool]] | None = None
    ) -> tuple[User, Grant, Sequence[Session]] | None:
        """Open a session for an account that somebody was recognised for; None if it was changed since, or *still* says no."""
        at = moment(self._clock)
        session = Session.open(SessionId(new_uuid7_at(at)), account.user_id, client, self._keys, at)
        async with self._database.transaction() as tx:
            if await self._accounts.lock(tx, account.user_id) != account or not (still is None or await still(tx)):
                return None
            user = await self._users.get(tx, account.user_id)
            ended = []
            for surplus in overflowing(await self._sessions.list_alive(tx, account.user_id, at)):
                locked = await self._sessions.lock(tx, surplus.session_id)
                if locked is not None:
                    ended.append(locked.end(EndReason.TOO_MANY, at))
                    await self._sessions.save(tx, ended[-1])
            await self._sessions.add(tx, session)
        return user, Grant(session, session.newest_token(self._keys)), ended

    async def _rehash(self, user_id: UserId, before: str, password: str) -> None:
        try:
            upgraded = await self._passwords.hash(password)
            async with self._database.transaction() as tx:
                await self._accounts.replace_password_hash(tx, user_id, before, upgraded)
        except Fault:
            # The sign-in has succeeded; the next one tries again.
            return

    @retried(idempotent=True)
    async def _rotate(self, presented: RefreshToken) -> tuple[Rotation, Session]:
        """Judge and store in one transaction on the session's locked row. A refusal for reuse is stored, not raised."""
        async with self._database.transaction() as tx:
            session = await self._sessions.lock(tx, presented.session_id)
            if session is None:
                raise RefreshTokenInvalid
            rotation, after = session.rotate(presented, self._keys, moment(self._clock))
            if not await self._accounts.is_active(tx, session.user_id):
                raise RefreshTokenInvalid
            await self._sessions.save(tx, after)
            if rotation is Rotation.REUSED and session.end_time is None:
                at = after.end_time or after.last_used_time
                device = after.client.device_name
                noticed = SecurityNoticed(after.user_id, Notice.TOKEN_REUSED, at, after.session_id, device)
                await self._facts.append(tx, [noticed], {})
        return rotation, after

    @retried(idempotent=True)
    async def _end(self, session_id: SessionId) -> Session | None:
        """The session, ended, if it is there. One that had ended before is announced again: an answer may be lost."""
        async with self._database.transaction() as tx:
            session = await self._sessions.lock(tx, session_id)
            if session is None:
                return None
            ended = session.end(EndReason.LOGOUT, moment(self._clock))
            await self._sessions.save(tx, ended)
        return ended
