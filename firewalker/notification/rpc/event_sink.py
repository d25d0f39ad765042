"""EventSinkService: facts of other services become notifications."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from firewalker.gen.pb.firewalker.event.v1 import (
    DeliverRequest,
    DeliverResponse,
    Event,
    EventSinkServiceBase,
    Profile,
)
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import NotificationId, UserId, parse_uuid
from firewalker.notification.domain.notification import Notification, Type
from firewalker.notification.usecases.inbox import Inbox
from firewalker.runtime.grpc.deletions import deleted_users
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.personal_data import Erasure


class EventSinkDoor(EventSinkServiceBase):
    """Takes events in. The event's id becomes the notification's, which makes repeats harmless."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"Deliver": Rule(Caller.SERVICE, max_message_bytes=1_048_576)}

    def __init__(self, inbox: Inbox, erasure: Erasure) -> None:
        self._inbox = inbox
        self._erasure = erasure

    async def deliver(self, message: DeliverRequest) -> DeliverResponse:
        """See the proto."""
        await self._inbox.add([n for event in message.events if (n := _notification(event)) is not None])
        await self._erasure.take(deleted_users(message.events))
        return DeliverResponse()


def _notification(event: Event) -> Notification | None:
    """What *event* means to somebody's inbox; None if nothing."""
    if (asked := event.friend_requested) is not None:
        return _about(event, Type.FRIEND_REQUEST, asked.addressee_id, asked.requester)
    if (accepted := event.friendship_accepted) is not None:
        return _about(event, Type.FRIEND_ACCEPTED, _profile(accepted.requester).user_id, accepted.accepter)
    return None


def _about(event: Event, kind: Type, receiver: str, other: Profile | None) -> Notification:
    who = _profile(other)
    if event.create_time is None:
        raise _incomplete("create_time")
    return Notification(
        notification_id=NotificationId(_uuid(event.event_id, "event_id")),
        user_id=UserId(_uuid(receiver, "receiver")),
        type=kind,
        params={"user_id": who.user_id, "nickname": who.nickname},
        create_time=event.create_time,
    )


def _profile(profile: Profile | None) -> Profile:
    if profile is None:
        raise _incomplete("profile")
    return profile


def _uuid(text: str, field: str) -> UUID:
    if (found := parse_uuid(text)) is None:
        raise _incomplete(field)
    return found


def _incomplete(field: str) -> InvalidRequest:
    """The relay sets such an event aside: repeating will not make it whole."""
    return InvalidRequest(violations=[Violation(f"events.{field}", "is missing or malformed")])
