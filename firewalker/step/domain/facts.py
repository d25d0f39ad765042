"""What other services tell this one, as values. How it travels is `rpc/event_sink`'s matter."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from firewalker.kernel.ids import EventId, UserId


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
class Befriended:
    """Two users became friends."""

    event_id: EventId
    accepter: WalkerNews
    requester: WalkerNews
    since: datetime


Fact: TypeAlias = SignedUp | Befriended
"""What this service keeps a projection of."""
