"""What other services tell this one, as values. How it travels is `rpc/facts`' matter.

Each fact tells when it happened (*told*). Of two about the same thing the later one stands, whatever order they come in.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeAlias
from uuid import UUID

from firewalker.kernel.ids import EventId, UserId
from firewalker.step.domain.visibility import Visibility

BEFORE_EVENTS = datetime(1970, 1, 1, tzinfo=UTC)
"""When the answer to a question counts as told: whatever an event has told, or is going to, is later and stands."""


@dataclass(frozen=True, slots=True)
class WalkerNews:
    """A user's public side as of the instant *told*; *time_zone* is None where the event does not tell it."""

    user_id: UserId
    nickname: str
    avatar_url: str
    told: datetime
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class SignedUp:
    """An account was made."""

    event_id: EventId
    walker: WalkerNews


@dataclass(frozen=True, slots=True)
class Renamed:
    """A walker has another name or picture."""

    event_id: EventId
    walker: WalkerNews


@dataclass(frozen=True, slots=True)
class Befriended:
    """Two users became friends."""

    event_id: EventId
    accepter: WalkerNews
    requester: WalkerNews
    since: datetime


@dataclass(frozen=True, slots=True)
class Parted:
    """Two users are no longer friends."""

    event_id: EventId
    user_id: UserId
    friend_id: UserId
    told: datetime


@dataclass(frozen=True, slots=True)
class Blocked:
    """Somebody blocked somebody, or, if *lifted*, does not any more. Who blocks is no friend either."""

    event_id: EventId
    blocker: UserId
    blocked: UserId
    told: datetime
    lifted: bool = False


@dataclass(frozen=True, slots=True)
class Veiled:
    """A user shows everybody so much of their steps."""

    event_id: EventId
    user_id: UserId
    shows: Visibility
    told: datetime


@dataclass(frozen=True, slots=True)
class VeiledFor:
    """A user shows one friend so much of their steps; None: as much as everybody."""

    event_id: EventId
    user_id: UserId
    friend_id: UserId
    shows: Visibility | None
    told: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """A user lives by another time zone (IANA name) from *first_date* on."""

    event_id: EventId
    user_id: UserId
    time_zone: str
    first_date: date
    told: datetime


@dataclass(frozen=True, slots=True)
class GroupNamed:
    """A group was made, or has another name."""

    event_id: EventId
    group_id: UUID
    name: str
    told: datetime


@dataclass(frozen=True, slots=True)
class GroupDeleted:
    """A group is no more, and nobody is in it."""

    event_id: EventId
    group_id: UUID
    told: datetime


@dataclass(frozen=True, slots=True)
class Joined:
    """A walker became a member of a group, whose *name* it was then."""

    event_id: EventId
    group_id: UUID
    name: str
    member: WalkerNews
    at: datetime

    @property
    def user_id(self) -> UserId:
        """The member."""
        return self.member.user_id

    @property
    def told(self) -> datetime:
        """As of when the name and the member's public side are."""
        return self.member.told


@dataclass(frozen=True, slots=True)
class Left:
    """A user is no longer a member of a group."""

    event_id: EventId
    group_id: UUID
    user_id: UserId
    at: datetime


GroupFact: TypeAlias = GroupNamed | GroupDeleted | Joined | Left

Fact: TypeAlias = SignedUp | Renamed | Befriended | Parted | Blocked | Veiled | VeiledFor | Moved | GroupFact
"""What this service keeps a projection of."""


def named(fact: Fact) -> tuple[UserId, ...]:
    """Those whose boards, or whose place on others' boards, *fact* changes."""
    match fact:
        case SignedUp() | Renamed():
            return (fact.walker.user_id,)
        case Befriended():
            return (fact.accepter.user_id, fact.requester.user_id)
        case Blocked():
            return (fact.blocker, fact.blocked)
        case Parted() | VeiledFor():
            return (fact.user_id, fact.friend_id)
        case Veiled() | Moved():
            return (fact.user_id,)
        case GroupNamed() | GroupDeleted() | Joined() | Left():
            return ()


def groups_named(fact: Fact) -> tuple[UUID, ...]:
    """The groups whose boards *fact* changes."""
    return (fact.group_id,) if isinstance(fact, GroupNamed | GroupDeleted | Joined | Left) else ()


def news(fact: Fact) -> tuple[WalkerNews, ...]:
    """The public sides that *fact* tells."""
    match fact:
        case SignedUp() | Renamed():
            return (fact.walker,)
        case Befriended():
            return (fact.accepter, fact.requester)
        case Joined():
            return (fact.member,)
        case _:
            return ()
