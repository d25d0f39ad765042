"""Accounts: the sign-in side of a user. Sessions and profiles are elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from firewalker.kernel.ids import UserId
from firewalker.user.domain.email import Email


class AccountState(Enum):
    """Whether the account can be signed in to."""

    ACTIVE = 1
    DISABLED = 2
    """Signing in and staying signed in are refused, in words that tell nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operator has made of an account, and when."""

    state: AccountState
    operator: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """What it takes to sign in. *password_hash* is a PHC string (argon2id)."""

    user_id: UserId
    email: Email | None
    """None for who came by a provider that vouched for no address."""
    password_hash: str | None
    """None for who has never set a password."""
    state: AccountState = AccountState.ACTIVE
    email_verify_time: datetime | None = None
    """When its owner showed that the address is theirs."""
