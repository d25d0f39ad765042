"""One message to one installation, from the decision to push until FCM has taken it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from firewalker.kernel.ids import NotificationId, UserId
from firewalker.notification.domain.device import Platform
from firewalker.notification.domain.notification import Lane, Type

MAX_ATTEMPTS = 12
"""After so many answers of FCM that ask for patience a delivery is given up; with growing pauses that is over 4 hours."""

MAX_ABANDONED = 5
"""Claimed so often without any end: it kills who works on it (DLV-04)."""

CHECKED_FOR = timedelta(seconds=60)
"""For how long a check that it still holds counts; what waits longer is checked again before it is sent."""

UNCHECKED = datetime(2000, 1, 1, tzinfo=UTC)
"""The time of a check that counts no more: it is checked again, however soon it is sent."""

QUIET_HOURS = "quiet_hours"
"""Why it was put off, where that is not FCM's doing: other quiet hours may let it go at once."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a person sees, and what the app is told."""

    title: str
    body: str
    tag: str
    """What takes an earlier push's place on the screen has its tag; a repeat has the same one (FCM-11). At most 64 bytes."""
    data: Mapping[str, str]
    ttl_s: int | None
    """How long FCM may keep it; None: until it is no news any more."""
    badge: int
    """Unread notifications, this one included."""
    collapse: str = ""
    """Under which name FCM itself replaces what a device has not fetched yet; empty: not at all. At most 4 in all."""
    bare: bool = False
    """Nothing but the notification's id goes with it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to an installation."""

    delivery_id: UUID
    user_id: UserId
    notification_id: NotificationId
    installation_id: str
    platform: Platform
    type: Type
    lane: Lane
    actor_id: UserId | None
    params: Mapping[str, str]
    fold_key: str
    content: Content
    create_time: datetime
    due_time: datetime
    expire_time: datetime
    check_time: datetime
    """When it was last known to hold."""
    attempts: int = 0
    """How often FCM was asked and gave an answer."""
    claims: int = 0
    """How often somebody began to work on it, whoever has it now included."""
    last_error: str = ""
    traceparent: str = ""
    """The trace that sending it is part of; empty for none."""
    folded: Sequence[NotificationId] = ()
    """What it tells of beside *notification_id*."""

    @property
    def told(self) -> Collection[NotificationId]:
        """All that it tells of."""
        return [self.notification_id, *self.folded]

    @property
    def abandoned(self) -> int:
        """How often whoever worked on it died over it, this time not counted."""
        return self.claims - 1 - self.attempts
