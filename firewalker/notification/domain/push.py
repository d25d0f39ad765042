"""A notification that is to be pushed, and the decision what becomes of it now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from firewalker.kernel.ids import NotificationId, UserId
from firewalker.notification.domain.delivery import Delivery
from firewalker.notification.domain.notification import KINDS, Kind, Lane, Notification, Type, fold_key
from firewalker.notification.domain.preferences import Channel, Recipient

ASK_AGAIN = timedelta(seconds=30)
"""After which a question that nobody could answer is asked again."""

MOST_ASKED = 4
"""So often what is said of people is asked about, which takes two minutes. Then it is pushed: what is withdrawn is also told as an event,
which removes the push. What is said of standings is never pushed without an answer; it waits until it is no news."""


class Verdict(Enum):
    """Whether something still holds."""

    HOLDS = "holds"
    MOOT = "moot"
    UNKNOWN = "unknown"
    """Nobody answers at present."""
    UNANSWERABLE = "unanswerable"
    """The other service does not have that question."""


@dataclass(frozen=True, slots=True)
class Push:
    """A notification on its way to being pushed."""

    user_id: UserId
    notification_id: NotificationId
    type: Type
    actor_id: UserId | None
    params: Mapping[str, str]
    fold_key: str
    dedupe_key: str | None
    create_time: datetime
    due_time: datetime
    expire_time: datetime
    asked: int = 0
    """How often nobody answered whether it still holds."""
    traceparent: str = ""
    """The trace of what caused it; empty for none."""

    @classmethod
    def of(cls, notification: Notification, due: datetime, traceparent: str = "") -> "Push":
        """The push of *notification*, to be looked at from *due* on."""
        return cls(
            user_id=notification.user_id,
            notification_id=notification.notification_id,
            type=notification.type,
            actor_id=notification.actor_id,
            params=notification.params,
            fold_key=fold_key(notification),
            dedupe_key=notification.dedupe_key,
            create_time=notification.create_time,
            due_time=due,
            expire_time=notification.create_time + KINDS[notification.type].lives,
            traceparent=traceparent,
        )

    @property
    def kind(self) -> Kind:
        """How its type is pushed."""
        return KINDS[self.type]

    @property
    def notification(self) -> Notification:
        """What the words are made from."""
        return Notification(
            self.notification_id, self.user_id, self.type, self.params, self.create_time, actor_id=self.actor_id
        )


@dataclass(frozen=True, slots=True)
class History:
    """What was pushed already under the same fold key."""

    pushed: int = 0
    last_time: datetime | None = None
    full_time: datetime | None = None
    """When the first was pushed of as many of its type as one hour may have; None where there were not so many."""


@dataclass(frozen=True, slots=True)
class Now:
    """Push it."""


@dataclass(frozen=True, slots=True)
class Later:
    """Look again at *due*; *unsure* because nobody has answered."""

    due: datetime
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Never:
    """Drop it; the inbox keeps it. *why* is a word for metrics."""

    why: str


Decision = Now | Later | Never


def decide(
    push: Push,
    recipient: Recipient,
    history: History,
    verdict: Verdict,
    *,
    unread: bool,
    at: datetime,
    crowded: bool = False,
) -> Decision:
    """What becomes of *push* at the moment *at*. What comes later than its news are worth is dropped.

    So is what is worth least, however long it would be news, while it is *crowded*: too much of it waits to be sent (DLV-12).
    """
    kind = push.kind
    capped = kind.a_day is not None and history.pushed >= kind.a_day
    crowded_out = crowded and kind.lane is Lane.STANDINGS
    why = _dropped(push, recipient, verdict, unread=unread, at=at)
    why = why or ("capped" if capped else "") or ("crowded" if crowded_out else "")
    if why:
        return Never(why)
    due = recipient.may_be_pushed_at(push.type, at)
    if history.last_time is not None:
        due = max(due, history.last_time + kind.spacing)
    if history.full_time is not None:
        due = max(due, history.full_time + timedelta(hours=1))
    unsure = due <= at and _unsure(push, verdict)
    if unsure:
        due = at + ASK_AGAIN
    if due <= at:
        return Now()
    return Later(due, unsure) if due < push.expire_time else Never("expired")


def decide_again(delivery: Delivery, recipient: Recipient, verdict: Verdict, *, unread: bool, at: datetime) -> Decision:
    """What becomes of *delivery*, which has waited, at the moment *at*: what was true when it was queued may not be any more.

    It was counted when it was queued, so nothing caps or spaces it any more.
    """
    if why := _dropped(delivery, recipient, verdict, unread=unread, at=at):
        return Never(why)
    due = recipient.may_be_pushed_at(delivery.type, at)
    unsure = due <= at and verdict is not Verdict.HOLDS and KINDS[delivery.type].standing
    if unsure:
        due = at + ASK_AGAIN
    if due <= at:
        return Now()
    return Later(due, unsure) if due < delivery.expire_time else Never("expired")


def _dropped(told: Push | Delivery, recipient: Recipient, verdict: Verdict, *, unread: bool, at: datetime) -> str:
    """Why it is not to be pushed at all; empty if it is."""
    reasons = {
        "unwanted": recipient.erased or recipient.preferences.channel(told.type) is not Channel.PUSH,
        "expired": at >= told.expire_time,
        "read": not unread,
        "moot": verdict is Verdict.MOOT,
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _unsure(push: Push, verdict: Verdict) -> bool:
    """Whether it has to wait for an answer."""
    if verdict is Verdict.HOLDS:
        return False
    return push.kind.standing or (verdict is Verdict.UNKNOWN and push.asked < MOST_ASKED)


def folded(first: Push, others: Sequence[Push]) -> list[Notification]:
    """The notifications that are pushed as one, newest first."""
    ordered = sorted([first, *others], key=lambda push: (push.create_time, push.notification_id), reverse=True)
    return [push.notification for push in ordered]
