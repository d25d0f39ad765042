"""Mails: written down in the transaction of what they belong to, made into letters when it is their turn.

Whether an address has an account is looked up here, long after whoever asked was answered: so neither the answer nor its time
can tell.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import MailId, UserId, new_uuid7_at
from firewalker.runtime import tracing
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.user.domain.account import AccountState
from firewalker.user.domain.email import Email
from firewalker.user.domain.mail import BUDGET_TIME, LIFETIMES, MOST_AN_HOUR, Mail, MailKind, MailToken
from firewalker.user.domain.mail_secret import MailKeys
from firewalker.user.domain.mail_text import Letter, letter
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.mail_tokens import MailTokens
from firewalker.user.store.mails import SENT
from firewalker.user.store.mails import Mails as MailStore
from firewalker.user.store.users import Users

LEASE_S = 60
"""How long a process that died keeps its mails from others; longer than sending one may take."""

MOST_ATTEMPTS = 12
"""After so many failures a mail is given up: by then some five hours have passed."""

KEPT = timedelta(days=7)
"""How long mails and tokens are kept once nothing more comes of them, for questions about what was sent."""


class Mails:
    """The mails of all accounts."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        users: Users,
        mails: MailStore,
        tokens: MailTokens,
        keys: MailKeys,
        link_url: str,
        clock: Clock,
    ) -> None:
        """Links in mails begin with *link_url*."""
        self._database = database
        self._accounts = accounts
        self._users = users
        self._mails = mails
        self._tokens = tokens
        self._keys = keys
        self._link_url = link_url
        self._clock = clock
        self._wake: Callable[[], None] = lambda: None

    def on_wake(self, waken: Callable[[], None]) -> None:
        """Have *waken* called after each commit of this process that leaves a mail."""
        self._wake = waken

    async def append(self, tx: Transaction, kind: MailKind, email: Email, user_id: UserId | None = None) -> None:
        """Have a mail sent after the caller's transaction is committed; without *user_id* to whoever has the address then."""
        at = moment(self._clock)
        mail_id = MailId(new_uuid7_at(at))
        await self._mails.add(tx, Mail(mail_id, kind, email, user_id, at, tracing.onward()))
        tx.after_commit(self._wake)

    async def withdraw_changes(self, tx: Transaction, user_id: UserId) -> None:
        """Send no mail any more by which a locked account could get another address. Before its tokens are locked: `written` does so."""
        await self._mails.withdraw(tx, user_id, MailKind.CHANGE)

    @retried(idempotent=True)
    async def lease(self, limit: int) -> Sequence[Mail]:
        """Take up to *limit* mails that are due; nobody else gets them for a minute."""
        async with self._database.transaction() as tx:
            return await self._mails.lease(tx, limit, LEASE_S, MOST_ATTEMPTS)

    @retried(idempotent=True)
    async def written(self, mail: Mail) -> Letter | None:
        """The letter that a leased mail becomes; None if it is for nobody or one too many, and with that is done.

        None too if it was withdrawn since it was leased; who withdraws it at this moment waits, and finds its token.
        """
        at = moment(self._clock)
        async with self._database.transaction() as tx:
            if not await self._mails.hold(tx, mail.mail_id):
                return None
            if await self._mails.count_sent(tx, mail.email, mail.kind, at - BUDGET_TIME) >= MOST_AN_HOUR:
                await self._mails.end(tx, mail.mail_id, "TOO_MANY")
                return None
            made = await self._addressed(tx, mail)
            if made is None:
                await self._mails.end(tx, mail.mail_id, "NOBODY")
                return None
            kind, user_id, email = made
            token = None
            if kind in LIFETIMES:
                token = self._keys.issue(mail.mail_id)
                row = MailToken(mail.mail_id, user_id, kind, email, at + LIFETIMES[kind])
                await self._tokens.add(tx, row)
            user = await self._users.get(tx, user_id)
        return letter(
            kind,
            email=email.text,
            nickname=user.nickname.text,
            time_zone=user.time_zone,
            token=token,
            link_url=self._link_url,
        )

    @retried(idempotent=True)
    async def sent(self, mail: Mail) -> None:
        """A server has taken it."""
        async with self._database.transaction() as tx:
            await self._mails.end(tx, mail.mail_id, SENT)

    @retried(idempotent=True)
    async def failed(self, mail: Mail, why: str, *, for_good: bool) -> None:
        """No server has taken it; *for_good* if none ever will. *why* is a word of at most 64 ASCII characters."""
        async with self._database.transaction() as tx:
            if for_good:
                await self._mails.end(tx, mail.mail_id, why)
            else:
                await self._mails.put_off(tx, mail.mail_id, why, MOST_ATTEMPTS)

    @retried(idempotent=True)
    async def forget(self) -> int:
        """Remove some of what is of no more use, and tell how much."""
        before = moment(self._clock) - KEPT
        async with self._database.transaction() as tx:
            return await self._mails.forget(tx, before) + await self._tokens.forget(tx, before)

    async def _addressed(self, tx: Transaction, mail: Mail) -> tuple[MailKind, UserId, Email] | None:
        """What the mail is, whose, and where it goes, as accounts are now; None if it is nobody's."""
        holder = await self._accounts.find_by_email(tx, mail.email)
        if mail.kind in {MailKind.CHANGED, MailKind.PASSWORD_CHANGED}:
            account = None if mail.user_id is None else await self._accounts.find(tx, mail.user_id)
            return None if account is None else (mail.kind, account.user_id, mail.email)
        if mail.kind is MailKind.CHANGE and mail.user_id is not None and holder is None:
            account = await self._accounts.find(tx, mail.user_id)
            return None if account is None else (mail.kind, account.user_id, mail.email)
        if holder is None or holder.state is not AccountState.ACTIVE:
            return None
        email = holder.email or mail.email
        if mail.kind is MailKind.RESET:
            return mail.kind, holder.user_id, email
        if holder.user_id != mail.user_id:
            return (MailKind.TAKEN, holder.user_id, email) if mail.kind is MailKind.CHANGE else None
        return None if holder.email_verify_time is not None else (MailKind.VERIFY, holder.user_id, email)
