"""Asking once more who is there, before something that cannot be undone by signing out."""

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database
from firewalker.user.domain.account import Account, AccountState
from firewalker.user.domain.faults import BadCredentials
from firewalker.user.store.accounts import Accounts
from firewalker.user.usecases.ports import Passwords, Throttles


class Confirmation:
    """Has signed-in users show that they are the owners, not just holders of an access token."""

    def __init__(self, *, database: Database, accounts: Accounts, passwords: Passwords, throttles: Throttles) -> None:
        self._database = database
        self._accounts = accounts
        self._passwords = passwords
        self._throttles = throttles

    async def by_password(self, caller: UserId, password: str) -> Account:
        """The caller's account, if *password* is its password.

        Raises:
            BadCredentials: It is not, or the account has none.
            RateExceeded: Too many were wrong.
            Overloaded: Too many passwords are being checked.
        """
        async with self._database.reading() as reading:
            account = await self._accounts.find(reading, caller)
        async with self._throttles.confirm(caller):
            right = await self._passwords.verify(None if account is None else account.password_hash, password)
            if account is None or not right or account.state is not AccountState.ACTIVE:
                raise BadCredentials
        return account
