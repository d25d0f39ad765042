"""Changing the password."""

from collections.abc import Sequence

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Contention
from firewalker.kernel.principal import Principal
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.revocation import RevocationFeed
from firewalker.user.domain.account import Account
from firewalker.user.domain.password import ensure_acceptable
from firewalker.user.domain.security import Notice, SecurityNoticed
from firewalker.user.domain.session import EndReason, Session
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.sessions import Sessions as SessionStore
from firewalker.user.store.users import Users
from firewalker.user.usecases.confirmation import Confirmation
from firewalker.user.usecases.ended_sessions import end_all, revocation
from firewalker.user.usecases.ports import Facts, Passwords, moment


class PasswordChanges:
    """Other passwords for accounts."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        users: Users,
        sessions: SessionStore,
        passwords: Passwords,
        confirmation: Confirmation,
        revocations: RevocationFeed,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._confirmation = confirmation
        self._revocations = revocations
        self._facts = facts
        self._clock = clock

    async def change(self, caller: Principal, current: str, new: str) -> None:
        """Put *new* in the place of *current*, and end every other session. Committed and announced when this returns.

        Raises:
            BadCredentials: *current* is wrong.
            PasswordTooShort, PasswordTooLong, PasswordTooCommon: *new* is not acceptable.
            Overloaded: Too many passwords are being hashed.
            Contention: The password was changed elsewhere at this moment.
        """
        account = await self._confirmation.by_password(caller.user_id, current)
        await self._ensure_acceptable(account, new)
        ended = await self._replace(account, await self._passwords.hash(new), caller)
        await self._revocations.publish(map(revocation, ended))

    async def _ensure_acceptable(self, account: Account, password: str) -> None:
        async with self._database.reading() as reading:
            user = await self._users.get(reading, account.user_id)
        ensure_acceptable(password, [user.nickname.text, user.nickname.key, account.email.local, "firewalker"])

    @retried
    async def _replace(self, account: Account, password_hash: str, caller: Principal) -> Sequence[Session]:
        at = moment(self._clock)
        noticed = SecurityNoticed(account.user_id, Notice.PASSWORD_CHANGED, at, caller.session_id)
        async with self._database.transaction() as tx:
            if await self._accounts.lock(tx, account.user_id) != account:
                raise Contention
            await self._accounts.set_password_hash(tx, account.user_id, password_hash)
            await self._facts.append(tx, [noticed], {})
            return await end_all(tx, self._sessions, account.user_id, EndReason.PASSWORD, at, spare=caller.session_id)
