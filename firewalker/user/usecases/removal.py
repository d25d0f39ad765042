"""What a deletion takes away at once, whoever deletes: nobody gets in any more, and nobody is to be found."""

from collections.abc import Sequence
from datetime import datetime

from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.account import Account
from firewalker.user.domain.session import EndReason, Session
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.mails import Mails
from firewalker.user.store.provider_logins import ProviderLogins
from firewalker.user.store.sessions import Sessions
from firewalker.user.store.users import Users
from firewalker.user.usecases.ended_sessions import end_all


class Removal:
    """Removes accounts. What else there is of a user is erased later, by the tombstone that the transaction adds."""

    def __init__(
        self, *, accounts: Accounts, users: Users, sessions: Sessions, mails: Mails, links: ProviderLogins
    ) -> None:
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._mails = mails
        self._links = links

    async def remove(self, tx: Transaction, account: Account, at: datetime) -> Sequence[Session]:
        """Remove *account*, which is locked, and its user; the sessions that ends, to be announced after the commit."""
        ended = await end_all(tx, self._sessions, account.user_id, EndReason.DELETED, at)
        await self._accounts.delete(tx, account.user_id)
        await self._links.delete_all(tx, account.user_id)
        if account.email is not None:
            await self._mails.forget_of_nobody(tx, account.email)
        await self._users.delete(tx, account.user_id)
        return ended
