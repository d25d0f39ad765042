"""What the owner of an account has to be told of, because somebody else may have done it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from firewalker.kernel.ids import SessionId, UserId


class Notice(Enum):
    """What happened."""

    PASSWORD_CHANGED = 1
    """Changed, or reset by mail."""
    EMAIL_CHANGED = 2
    TOKEN_REUSED = 3
    """A refresh token came again after it was replaced: somebody has a copy."""
    PROVIDER_LINKED = 4
    """An identity of a provider can sign in from now on."""


@dataclass(frozen=True, slots=True)
class SecurityNoticed:
    """Something happened to the account of *user_id*. *session_id* did it, as far as that is known."""

    user_id: UserId
    notice: Notice
    at: datetime
    session_id: SessionId | None = None
    device_name: str = ""
