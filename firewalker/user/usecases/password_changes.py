"""Changing the password, and setting another one by mail."""

from collections.abc import Sequence

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.faults import Contention
from firewalker.kernel.principal import Principal
from firewalker.runtime.mysql import Database, retried
from firewalker.user.domain.account import Account, AccountState
from firewalker.user.domain.email import Email
from firewalker.user.domain.faults import MailTokenInvalid
from firewalker.user.domain.mail import MailKind, MailToken
from firewalker.user.domain.mail_secret import MailKeys
from firewalker.user.domain.password import ensure_acceptable, words_of
from firewalker.user.domain.security import Notice, SecurityNoticed
from firewalker.user.domain.session import EndReason, Session
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.mail_tokens import MailTokens
from firewalker.user.store.provider_logins import ProviderLogins
from firewalker.user.store.sessions import Sessions as SessionStore
from firewalker.user.store.users import Users
from firewalker.user.usecases.confirmation import Confirmation
from firewalker.user.usecases.ended_sessions import end_all, ensure_alive
from firewalker.user.usecases.mails import Mails
from firewalker.user.usecases.ports import Endings, Facts, Passwords, Throttles


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
        tokens: MailTokens,
        keys: MailKeys,
        mails: Mails,
        links: ProviderLogins,
        confirmation: Confirmation,
        throttles: Throttles,
        endings: Endings,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._tokens = tokens
        self._keys = keys
        self._mails = mails
        self._links = links
        self._confirmation = confirmation
        self._throttles = throttles
        self._endings = endings
        self._facts = facts
        self._clock = clock

    async def change(self, caller: Principal, current: str, new: str) -> None:
        """Put *new* in the place of *current*, and end every other session. Committed and announced when this returns.

        Mails that were sent before do not change the address or the password any more.

        Raises:
            BadCredentials: *current* is wrong.
            PasswordTooShort, PasswordTooLong, PasswordTooCommon: *new* is not acceptable.
            Overloaded: Too many passwords are being hashed.
            Contention: The password was changed elsewhere at this moment.
            SessionRevoked: The caller's session has ended since the call came in.
        """
        account = await self._confirmation.by_password(caller.user_id, current)
        await self._ensure_acceptable(account, new)
        ended = await self._replace(account, await self._passwords.hash(new), caller)
        await self._endings.tell(ended)

    async def ask_for_reset(self, email: Email) -> None:
        """Send a mail for setting another password, if there is an account with this address. Does the same if not.

        Raises:
            RateExceeded: Too many were asked for from there.
        """
        await self._throttles.ask_for_mail()
        await self._promise(email)

    async def reset(self, text: str, new: str) -> None:
        """Set another password by a token from a mail, and end every session. Committed and announced when this returns.

        Raises:
            MailTokenInvalid: The token is not from such a mail, or was used, or is too old.
            PasswordTooShort, PasswordTooLong, PasswordTooCommon: *new* is not acceptable.
            Overloaded: Too many passwords are being hashed.
        """
        token_id = self._keys.open(text)
        if token_id is None:
            raise MailTokenInvalid
        async with self._database.reading() as reading:
            token = await self._tokens.find(reading, token_id)
            account = None if token is None else await self._accounts.find(reading, token.user_id)
        if token is None or account is None:
            raise MailTokenInvalid
        token.ensure_usable(moment(self._clock), MailKind.RESET)
        await self._ensure_acceptable(account, new)
        ended = await self._reset(token, await self._passwords.hash(new))
        await self._endings.tell(ended)

    @retried
    async def _promise(self, email: Email) -> None:
        async with self._database.transaction() as tx:
            await self._mails.append(tx, MailKind.RESET, email)

    @retried
    async def _reset(self, seen: MailToken, password_hash: str) -> Sequence[Session]:
        at = moment(self._clock)
        async with self._database.transaction() as tx:
            account = await self._accounts.lock(tx, seen.user_id)
            if account is None or account.state is not AccountState.ACTIVE:
                raise MailTokenInvalid
            await self._mails.withdraw_changes(tx, account.user_id)
            token = await self._tokens.find(tx, seen.token_id, lock=True)
            if token is None:
                raise MailTokenInvalid
            token.ensure_usable(at, MailKind.RESET)
            if account.email is None or token.email.key != account.email.key:
                raise MailTokenInvalid  # sent to an address that is not the account's any more
            await self._accounts.set_password_hash(tx, account.user_id, password_hash)
            # Who reads mails to the address has shown that it is theirs. If nobody had before, whoever made the account may be
            # somebody else, and must not come back by an identity.
            if account.email_verify_time is None:
                await self._links.delete_all(tx, account.user_id)
            await self._accounts.set_verified_email(tx, account.user_id, account.email, at)
            await self._tokens.use(tx, token, at)
            await self._facts.append(tx, [SecurityNoticed(account.user_id, Notice.PASSWORD_CHANGED, at)], {})
            await self._mails.append(tx, MailKind.PASSWORD_CHANGED, account.email, account.user_id)
            return await end_all(tx, self._sessions, account.user_id, EndReason.PASSWORD, at)

    async def _ensure_acceptable(self, account: Account, password: str) -> None:
        async with self._database.reading() as reading:
            user = await self._users.get(reading, account.user_id)
        ensure_acceptable(password, words_of(user.nickname, account.email), field="new_password")

    @retried
    async def _replace(self, account: Account, password_hash: str, caller: Principal) -> Sequence[Session]:
        at = moment(self._clock)
        noticed = SecurityNoticed(account.user_id, Notice.PASSWORD_CHANGED, at, caller.session_id)
        async with self._database.transaction() as tx:
            if await self._accounts.lock(tx, account.user_id) != account:
                raise Contention
            await ensure_alive(tx, self._sessions, caller, at)
            await self._accounts.set_password_hash(tx, account.user_id, password_hash)
            # Whoever asked for them may be why it is changed. That the address is confirmed helps nobody else.
            await self._mails.withdraw_changes(tx, account.user_id)
            await self._tokens.withdraw(tx, account.user_id, spare=MailKind.VERIFY)
            await self._facts.append(tx, [noticed], {})
            if account.email is not None and account.email_verify_time is not None:
                # Devices that are signed out by it are not pushed to, and whoever did it knows.
                await self._mails.append(tx, MailKind.PASSWORD_CHANGED, account.email, account.user_id)
            return await end_all(tx, self._sessions, account.user_id, EndReason.PASSWORD, at, spare=caller.session_id)
