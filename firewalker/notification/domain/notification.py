"""One thing that happened to one user."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from firewalker.kernel.ids import NotificationId, UserId


class Type(Enum):
    """What happened. The value is what the database and the contract call it."""

    FRIEND_REQUEST = "FRIEND_REQUEST"
    FRIEND_ACCEPTED = "FRIEND_ACCEPTED"


@dataclass(frozen=True, slots=True)
class Notification:
    """An item of *user_id*'s inbox. *params* hold the facts behind the words; the words are made when it is read."""

    notification_id: NotificationId
    user_id: UserId
    type: Type
    params: Mapping[str, str]
    create_time: datetime
    read_time: datetime | None = None
