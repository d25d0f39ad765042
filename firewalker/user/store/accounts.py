"""Rows of `account`: how users sign in."""

from datetime import datetime
from typing import Any

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import DuplicateKey, Transaction
from firewalker.user.domain.account import Account, AccountState
from firewalker.user.domain.email import Email
from firewalker.user.domain.faults import EmailTaken
from firewalker.user.store.columns import uuid_of

_COLUMNS = "user_id, email, password_hash, state, email_verify_time"

_ADD = """
    INSERT INTO account (user_id, email, email_key, password_hash, state, email_verify_time)
    VALUES (%(user_id)s, %(email)s, %(email_key)s, %(password_hash)s, %(state)s, %(verify_time)s)
"""

_FIND = f"SELECT {_COLUMNS} FROM account WHERE email_key = %(email_key)s"
# account_email

_GET = f"SELECT {_COLUMNS} FROM account WHERE user_id = %(user_id)s"
# primary key

_LOCK = f"SELECT {_COLUMNS} FROM account WHERE user_id = %(user_id)s FOR UPDATE"
# primary key

_IS_ACTIVE = "SELECT 1 FROM account WHERE user_id = %(user_id)s AND state = %(active)s"
# primary key

_REPLACE_HASH = """
    UPDATE account SET password_hash = %(after)s WHERE user_id = %(user_id)s AND password_hash = %(before)s
"""  # primary key

_SET_HASH = "UPDATE account SET password_hash = %(hash)s WHERE user_id = %(user_id)s"
# primary key

_SET_EMAIL = """
    UPDATE account SET email = %(email)s, email_key = %(email_key)s, email_verify_time = %(at)s
    WHERE user_id = %(user_id)s
"""  # primary key

_SET_STATE = "UPDATE account SET state = %(state)s WHERE user_id = %(user_id)s"
# primary key

_DELETE = "DELETE FROM account WHERE user_id = %(user_id)s"
# primary key


class Accounts:
    """The accounts of this database."""

    async def add(self, tx: Transaction, account: Account) -> None:
        """Add a new account.

        Raises:
            EmailTaken: Another one has this address.
        """
        try:
            await tx.execute(
                _ADD,
                {
                    "user_id": account.user_id,
                    "email": None if account.email is None else account.email.text,
                    "email_key": None if account.email is None else account.email.key,
                    "password_hash": account.password_hash,
                    "state": account.state,
                    "verify_time": account.email_verify_time,
                },
            )
        except DuplicateKey as duplicate:
            if duplicate.key == "account_email":
                raise EmailTaken from None
            raise

    async def find_by_email(self, tx: Transaction, email: Email) -> Account | None:
        """The account with this address, whatever its state."""
        row = await tx.find(_FIND, {"email_key": email.key})
        return None if row is None else _account(row)

    async def find(self, tx: Transaction, user_id: UserId) -> Account | None:
        """The user's account, whatever its state."""
        row = await tx.find(_GET, {"user_id": user_id})
        return None if row is None else _account(row)

    async def lock(self, tx: Transaction, user_id: UserId) -> Account | None:
        """The user's account, locked until *tx* ends: sign-ins of one user wait for each other here."""
        row = await tx.find(_LOCK, {"user_id": user_id})
        return None if row is None else _account(row)

    async def is_active(self, tx: Transaction, user_id: UserId) -> bool:
        """Whether the user has an account that can be signed in to."""
        return await tx.find(_IS_ACTIVE, {"user_id": user_id, "active": AccountState.ACTIVE}) is not None

    async def replace_password_hash(self, tx: Transaction, user_id: UserId, before: str, after: str) -> bool:
        """Store *after* if *before* is still there; False if somebody was faster, who then is right."""
        return await tx.execute(_REPLACE_HASH, {"user_id": user_id, "before": before, "after": after}) > 0

    async def set_password_hash(self, tx: Transaction, user_id: UserId, password_hash: str) -> None:
        """Give an account that is locked another password."""
        await tx.execute(_SET_HASH, {"user_id": user_id, "hash": password_hash})

    async def set_verified_email(self, tx: Transaction, user_id: UserId, email: Email, at: datetime) -> None:
        """Note that the owner of an account that is locked has this address, which may be another one than before.

        Raises:
            EmailTaken: Another account has it.
        """
        params = {"user_id": user_id, "email": email.text, "email_key": email.key, "at": at}
        try:
            await tx.execute(_SET_EMAIL, params)
        except DuplicateKey as duplicate:
            if duplicate.key == "account_email":
                raise EmailTaken from None
            raise

    async def set_state(self, tx: Transaction, user_id: UserId, state: AccountState) -> None:
        """Say whether an account that is locked can be signed in to."""
        await tx.execute(_SET_STATE, {"user_id": user_id, "state": state})

    async def delete(self, tx: Transaction, user_id: UserId) -> None:
        """Remove the account: its address is free, and nobody can sign in."""
        await tx.execute(_DELETE, {"user_id": user_id})


def _account(row: tuple[Any, ...]) -> Account:
    user_id, email, password_hash, state, verify_time = row
    address = None if email is None else Email(email)
    return Account(UserId(uuid_of(user_id)), address, password_hash, AccountState(state), verify_time)
