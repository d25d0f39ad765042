"""Accounts that operators disable, and enable again. It is an operator's work, by `firewalker account`."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.user.domain.account import Account, AccountState, Decision
from firewalker.user.domain.email import Email
from firewalker.user.domain.faults import UserNotFound
from firewalker.user.domain.mail import MailKind
from firewalker.user.domain.session import EndReason, Session
from firewalker.user.domain.user import Card
from firewalker.user.store import account_decisions
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.mail_tokens import MailTokens
from firewalker.user.store.mails import Mails
from firewalker.user.store.sessions import Sessions
from firewalker.user.store.users import Users
from firewalker.user.usecases.ended_sessions import end_all
from firewalker.user.usecases.ports import Endings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands, for operators. Its address is nothing that they have to see."""

    card: Card
    state: AccountState
    decisions: Sequence[Decision]
    """What was decided of it, the newest first."""


class AccountStates:
    """Whether accounts can be signed in to. Of a disabled one nothing is erased, and nothing changes for anybody else."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        users: Users,
        sessions: Sessions,
        mails: Mails,
        tokens: MailTokens,
        endings: Endings,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._mails = mails
        self._tokens = tokens
        self._endings = endings
        self._clock = clock

    async def standing(self, whom: UserId | Email) -> Standing:
        """How the account of *whom* stands.

        Raises:
            UserNotFound: There is no such user, or none with this address.
        """
        async with self._database.reading() as reading:
            if isinstance(whom, Email):
                account = await self._accounts.find_by_email(reading, whom)
            else:
                account = await self._accounts.find(reading, whom)
            if account is None:
                raise UserNotFound
            card = await self._users.get_card(reading, account.user_id)
            return Standing(card, account.state, await account_decisions.list_of(reading, account.user_id))

    async def disable(self, user: UserId, operator: str) -> int:
        """Let nobody sign in or stay signed in to the account; how many sessions that has ended. Repeating it is harmless.

        Committed when this returns, and announced; where Redis or the answer to COMMIT is lost, the user services tell of it
        within a second.

        Raises:
            UserNotFound: There is no such user.
        """
        ended = await self._disable(user, operator)
        await self._endings.tell(ended)
        return len(ended)

    @retried(idempotent=True)
    async def enable(self, user: UserId, operator: str) -> None:
        """Let the account be signed in to again. Repeating it is harmless.

        Raises:
            UserNotFound: There is no such user.
        """
        async with self._database.transaction() as tx:
            account = await self._accounts.lock(tx, user)
            await self._decide(tx, account, Decision(AccountState.ACTIVE, operator, moment(self._clock)))

    @retried(idempotent=True)
    async def _disable(self, user: UserId, operator: str) -> Sequence[Session]:
        at = moment(self._clock)
        async with self._database.transaction() as tx:
            # Who signs in at this moment waits here, or was first: none is forgotten.
            account = await self._accounts.lock(tx, user)
            await self._decide(tx, account, Decision(AccountState.DISABLED, operator, at))
            # Whoever asked to have another address must not get in by it once the account is enabled again.
            await self._mails.withdraw(tx, user, MailKind.CHANGE)
            await self._tokens.withdraw(tx, user, spare=MailKind.VERIFY)
            return await end_all(tx, self._sessions, user, EndReason.REVOKED, at)

    async def _decide(self, tx: Transaction, account: Account | None, decision: Decision) -> None:
        """Store it, with who decided, and write a line to the log once it is true; nothing if it is so already."""
        if account is None:
            raise UserNotFound
        if account.state is decision.state:
            return
        await self._accounts.set_state(tx, account.user_id, decision.state)
        await account_decisions.add(tx, account.user_id, decision)
        event = _EVENTS[decision.state]
        tx.after_commit(lambda: _log.info(event, user_id=account.user_id, operator=decision.operator))


_EVENTS = {AccountState.ACTIVE: "account enabled", AccountState.DISABLED: "account disabled"}
