"""Users: persons, as they see themselves and as others see them."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from firewalker.kernel.ids import UserId
from firewalker.user.domain.nickname import Nickname


class Visibility(Enum):
    """How much of a user's steps friends may see."""

    FRIENDS = 1
    """The exact count."""
    ROUNDED = 2
    """The count rounded down to 500."""
    RANK_ONLY = 3
    """The rank alone."""
    HIDDEN = 4
    """Nothing; and the user sees nobody."""


@dataclass(frozen=True, slots=True)
class Card:
    """The part of a user that others see. *avatar_url* is empty where there is no picture."""

    user_id: UserId
    nickname: str
    avatar_url: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """A user, as that user sees themselves. *time_zone* is an IANA name."""

    user_id: UserId
    nickname: Nickname
    email: str
    time_zone: str
    create_time: datetime
    avatar_url: str = ""
    visibility: Visibility = Visibility.FRIENDS
    email_verified: bool = False

    @property
    def card(self) -> Card:
        """The part that others see."""
        return Card(self.user_id, self.nickname.text, self.avatar_url)


@dataclass(frozen=True, slots=True)
class UserDeleted:
    """The account of *user_id* is no more, and everything about it has to go."""

    user_id: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class UserSignedUp:
    """An account was made."""

    user: User
    at: datetime
