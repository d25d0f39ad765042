"""One thing that happened to one user, and what follows from its type: how long it is news, and how it may be pushed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum

from firewalker.kernel.ids import NotificationId, UserId


class Type(Enum):
    """What happened. The value is what the database and the contract call it."""

    FRIEND_REQUEST = "FRIEND_REQUEST"
    FRIEND_ACCEPTED = "FRIEND_ACCEPTED"
    OVERTAKEN = "OVERTAKEN"
    TOOK_FIRST_PLACE = "TOOK_FIRST_PLACE"
    GOAL_REACHED = "GOAL_REACHED"
    FRIEND_GOAL_REACHED = "FRIEND_GOAL_REACHED"
    GROUP_JOIN_REQUEST = "GROUP_JOIN_REQUEST"
    GROUP_JOINED = "GROUP_JOINED"
    CHEER = "CHEER"
    DAY_RESULT = "DAY_RESULT"
    SECURITY = "SECURITY"


@dataclass(frozen=True, slots=True)
class Notification:
    """An item of *user_id*'s inbox. *params* hold the facts behind the words; the words are made when it is read."""

    notification_id: NotificationId
    user_id: UserId
    type: Type
    params: Mapping[str, str]
    create_time: datetime
    read_time: datetime | None = None
    actor_id: UserId | None = None
    """The other user whom it is about; None for nobody."""
    dedupe_key: str | None = None
    """Of two with the same key for one user only the first is kept; None: each is of its own. ASCII, at most 120."""
    revision: int = 0
    """The state of the user's inbox that it came with; 0 until it is stored."""


class Lane(IntEnum):
    """What is pushed side by side, so that much of one kind does not hold up another (DLV-11)."""

    SECURITY = 0
    PEOPLE = 1
    STANDINGS = 2


class Recheck(Enum):
    """What has to hold still at the moment of the push."""

    NOTHING = "nothing"
    ASKS = "asks"
    """The other still asks for the friendship."""
    FRIENDS = "friends"
    """The two are friends."""
    SEEN_FRIENDS = "seen friends"
    """They are friends and the user may see the other's steps."""
    NOT_BLOCKED = "not blocked"
    """Neither has blocked the other."""
    BEHIND = "behind"
    """The other still leads on the date, which is still open."""
    FIRST = "first"
    """The user still has the first place of somebody else."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How notifications of a type are pushed."""

    lane: Lane
    lives: timedelta
    """How long after it happened it is still worth a push: what waits longer is dropped (FCM-13)."""
    recheck: Recheck = Recheck.NOTHING
    folds: bool = False
    """Several that wait for the same user are pushed as one."""
    ttl: timedelta | None = None
    """How long FCM may keep it for a device that is away; None: until it is no news any more."""
    a_day: int | None = None
    """Most pushes of this type to one user for one civil date; None: no limit."""
    an_hour: int | None = None
    """Most pushes of this type to one user within an hour; what is more waits and is folded, whoever sends it (DLV-10)."""
    spacing: timedelta = timedelta(0)
    """Least time between two pushes of this type to one user."""
    in_quiet_hours: bool = False
    """Pushed in quiet hours too."""
    replaces: bool = False
    """A later push of the type takes the earlier one's place on the device's screen."""

    @property
    def standing(self) -> bool:
        """Whether it says something of ranks, which nobody must be told unless it is known to hold."""
        return self.recheck in {Recheck.BEHIND, Recheck.FIRST}


_FOR_DAYS = timedelta(days=3)
_OF_PEOPLE = 6

KINDS: Mapping[Type, Kind] = {
    Type.FRIEND_REQUEST: Kind(Lane.PEOPLE, _FOR_DAYS, Recheck.ASKS, folds=True, an_hour=_OF_PEOPLE),
    Type.FRIEND_ACCEPTED: Kind(Lane.PEOPLE, _FOR_DAYS, Recheck.FRIENDS, folds=True, an_hour=_OF_PEOPLE),
    # 6 a day (contract), one in 15 minutes (DLV-08).
    Type.OVERTAKEN: Kind(
        Lane.STANDINGS,
        timedelta(minutes=30),
        Recheck.BEHIND,
        folds=True,
        ttl=timedelta(minutes=15),
        a_day=6,
        spacing=timedelta(minutes=15),
        replaces=True,
    ),
    Type.TOOK_FIRST_PLACE: Kind(
        Lane.STANDINGS, timedelta(minutes=30), Recheck.FIRST, ttl=timedelta(minutes=15), a_day=1, replaces=True
    ),
    Type.GOAL_REACHED: Kind(Lane.STANDINGS, timedelta(hours=2), replaces=True),
    Type.FRIEND_GOAL_REACHED: Kind(Lane.STANDINGS, timedelta(hours=2), Recheck.SEEN_FRIENDS, folds=True),
    Type.GROUP_JOIN_REQUEST: Kind(Lane.PEOPLE, _FOR_DAYS, Recheck.NOT_BLOCKED, folds=True, an_hour=_OF_PEOPLE),
    Type.GROUP_JOINED: Kind(Lane.PEOPLE, _FOR_DAYS, Recheck.NOT_BLOCKED, folds=True, an_hour=_OF_PEOPLE),
    # Long enough for one of the evening to be read in the morning.
    Type.CHEER: Kind(Lane.PEOPLE, timedelta(hours=12), Recheck.FRIENDS, folds=True, an_hour=_OF_PEOPLE),
    Type.DAY_RESULT: Kind(Lane.STANDINGS, timedelta(hours=12), replaces=True),
    Type.SECURITY: Kind(Lane.SECURITY, _FOR_DAYS, in_quiet_hours=True),
}


def fold_key(notification: Notification) -> str:
    """What may be pushed together: the type, with the date or the group where it has one; else itself alone."""
    kind, params = KINDS[notification.type], notification.params
    of = params.get("date") or params.get("group_id") or ""
    return key_of(notification.type, of) if kind.folds or kind.replaces else str(notification.notification_id)


def key_of(kind: Type, *of: str) -> str:
    """A key for what is of that type and *of* somebody or something: which are pushed together, or which count as one."""
    return ":".join([kind.value, *of])
