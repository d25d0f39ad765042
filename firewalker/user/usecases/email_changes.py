"""Confirming and changing the address of an account."""

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.faults import Contention
from firewalker.kernel.ids import UserId
from firewalker.kernel.principal import Principal
from firewalker.runtime.mysql import Database, retried
from firewalker.user.domain.account import Account, AccountState
from firewalker.user.domain.email import Email
from firewalker.user.domain.faults import MailTokenInvalid, UserNotFound
from firewalker.user.domain.mail import MailKind
from firewalker.user.domain.mail_secret import MailKeys
from firewalker.user.domain.security import Notice, SecurityNoticed
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.mail_tokens import MailTokens
from firewalker.user.store.sessions import Sessions
from firewalker.user.usecases.confirmation import Confirmation
from firewalker.user.usecases.ended_sessions import ensure_alive
from firewalker.user.usecases.mails import Mails
from firewalker.user.usecases.ports import Facts, Throttles


class EmailChanges:
    """Addresses, as far as their owners may act on them."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        sessions: Sessions,
        tokens: MailTokens,
        keys: MailKeys,
        mails: Mails,
        confirmation: Confirmation,
        throttles: Throttles,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens
        self._keys = keys
        self._mails = mails
        self._confirmation = confirmation
        self._throttles = throttles
        self._facts = facts
        self._clock = clock

    async def resend(self, caller: UserId) -> None:
        """Send the mail that confirms the caller's address once more, unless it is confirmed.

        Raises:
            RateExceeded: Too many mails were asked for, by the account or from there.
            UserNotFound: The account is gone, though its access token is still good.
        """
        await self._throttles.ask_for_mail(caller)
        await self._promise_again(caller)

    @retried
    async def _promise_again(self, caller: UserId) -> None:
        async with self._database.transaction() as tx:
            account = await self._accounts.find(tx, caller)
            if account is None:
                raise UserNotFound
            if account.email is not None and account.email_verify_time is None:
                await self._mails.append(tx, MailKind.VERIFY, account.email, caller)

    async def ask(self, caller: Principal, email: Email, password: str) -> None:
        """Send a mail to *email*, by which it can become the address of the caller's account.

        Raises:
            BadCredentials: The password is wrong.
            RateExceeded: Too many were, or too many mails were asked for, by the account or from there.
            Overloaded: Too many passwords are being checked.
            Contention: The account was changed elsewhere at this moment.
            SessionRevoked: The caller's session has ended since the call came in.
        """
        account = await self._confirmation.by_password(caller.user_id, password)
        await self._throttles.ask_for_mail(caller.user_id)
        await self._promise(account, email, caller)

    @retried
    async def _promise(self, account: Account, email: Email, caller: Principal) -> None:
        async with self._database.transaction() as tx:
            if await self._accounts.lock(tx, account.user_id) != account:
                raise Contention  # a password that was right just now is worth nothing once there is another
            await ensure_alive(tx, self._sessions, caller, moment(self._clock))
            await self._mails.append(tx, MailKind.CHANGE, email, account.user_id)

    @retried(idempotent=True)
    async def verify(self, text: str) -> None:
        """Confirm the address that a token from a mail was sent to, and make it the account's.

        Raises:
            MailTokenInvalid: The token is not from one of these mails, or not good any more.
            EmailTaken: Another account has the address by now.
        """
        token_id = self._keys.open(text)
        if token_id is None:
            raise MailTokenInvalid
        at = moment(self._clock)
        async with self._database.transaction() as tx:
            token = await self._tokens.find(tx, token_id)
            account = None if token is None else await self._accounts.lock(tx, token.user_id)
            if token is None or account is None or account.state is not AccountState.ACTIVE:
                raise MailTokenInvalid
            before = account.email
            same = before is not None and token.email.key == before.key
            if same and account.email_verify_time is not None and token.kind is not MailKind.RESET:
                return  # it was confirmed already, perhaps by the answer that was lost
            await self._mails.withdraw_changes(tx, account.user_id)
            token = await self._tokens.find(tx, token_id, lock=True)
            if token is None:
                raise MailTokenInvalid
            token.ensure_usable(at, *([MailKind.VERIFY, MailKind.CHANGE] if same else [MailKind.CHANGE]))
            await self._accounts.set_verified_email(tx, account.user_id, token.email, at)
            await self._tokens.use(tx, token, at)
            if not same:
                if before is not None:
                    await self._mails.append(tx, MailKind.CHANGED, before, account.user_id)
                await self._facts.append(tx, [SecurityNoticed(account.user_id, Notice.EMAIL_CHANGED, at)], {})
