"""What the other services tell, in the words of this one: whom to tell of it, and what is not to be told any more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from firewalker.kernel.ids import EventId, SessionId, UserId
from firewalker.notification.domain.notification import Notification, Type


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that users are told of; *notifications* has one for each of them, none for nobody."""

    notifications: Sequence[Notification]


@dataclass(frozen=True, slots=True)
class Lives:
    """A user lives by this IANA zone, as of that time."""

    user_id: UserId
    time_zone: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What *actor* asked of *user* is no longer open: it is not pushed any more, nor kept *in_inbox* unless that is said."""

    user_id: UserId
    actor_id: UserId
    type: Type
    in_inbox: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """*actor*'s request to join the group is no longer open: as for `Withdrawn`. *told* are those who manage the group by now."""

    told: Sequence[UserId]
    actor_id: UserId
    group_id: str
    in_inbox: bool


@dataclass(frozen=True, slots=True)
class Apart:
    """Two users are nothing to each other any more: what waits to be pushed to one about the other is dropped.

    With *hidden* one has blocked the other, and neither finds the other in the inbox.
    """

    one: UserId
    other: UserId
    hidden: bool


@dataclass(frozen=True, slots=True)
class Left:
    """A session ended: the device that it registered is not pushed to any more."""

    user_id: UserId
    session_id: SessionId
    installation_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Erased:
    """An account is gone, and everything about it has to go."""

    user_id: UserId


Meaning = Happened | Lives | Withdrawn | Closed | Apart | Left | Erased


@dataclass(frozen=True, slots=True)
class Fact:
    """An event and what it means here."""

    event_id: EventId
    meanings: Sequence[Meaning]
    traceparent: str = ""
    """The trace of what made it happen; empty for none."""
