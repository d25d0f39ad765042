"""Messages, right and wrong, and what FCM says of them. None needs a phone: a topic that nobody listens to is target enough."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from firewalker.kernel.ids import NotificationId, UserId
from firewalker.notification.domain.delivery import Content, Delivery
from firewalker.notification.domain.device import Platform, Registration, Target
from firewalker.notification.domain.notification import KINDS, Type
from firewalker.notification.fcm.messages import message_of

Message = dict[str, Any]

NOBODY: Final[Message] = {"topic": "firewalker-oracle"}

WRONG: Final[list[tuple[Message, int, str]]] = [
    ({**NOBODY, "x": 1}, 400, "Unknown name \"x\" at 'message': Cannot find field."),
    ({**NOBODY, "data": {"a": 12}}, 400, "Invalid value at 'message.data[0].value' (TYPE_STRING), 12"),
    ({**NOBODY, "android": {"priority": "urgent"}}, 400, "Invalid value at 'message.android.priority'"),
    ({**NOBODY, "android": {"ttl": "1h"}}, 400, "Invalid value at 'message.android.ttl'"),
    ({**NOBODY, "android": {"ttl": "2419201s"}}, 400, "Invalid ttl"),
    ({"data": {"a": "b"}}, 400, "Recipient of the message is not set."),
    ({**NOBODY, "token": "a"}, 400, "Only one target"),
    ({**NOBODY, "data": {"from": "x"}}, 400, "Invalid data payload key: from"),
    ({**NOBODY, "data": {"gcm.x": "x"}}, 400, "Invalid data payload key"),
    ({**NOBODY, "data": {"a": "b" * 2048}}, 400, "Request contains an invalid argument."),
    ({**NOBODY, "webpush": {"fcmOptions": {"link": "http://x"}}}, 400, "Link must be https"),
    ({**NOBODY, "fcmOptions": {"analyticsLabel": "a b"}}, 400, "Invalid analytics label"),
    ({**NOBODY, "android": {"notification": {"color": "red"}}}, 400, "Invalid color"),
    ({**NOBODY, "apns": {"headers": {"apns-collapse-id": "a" * 65}}}, 400, "Invalid apns-collapse-id"),
    ({"topic": "not a topic"}, 400, "Malformed topic name"),
    ({"token": "not-a-token"}, 400, "not a valid FCM registration token"),
    ({"fid": "not-a-fid"}, 404, "Requested entity was not found."),
]
"""Refused, with the status and a part of the text."""

RIGHT: Final[list[Message]] = [NOBODY, {**NOBODY, "android": {"collapseKey": "a", "priority": "high"}}]


def ours() -> list[Message]:
    """What the product sends: each type to each platform."""
    at = datetime.now(UTC)
    made = []
    for kind in Type:
        for platform in Platform:
            content = Content(
                title="순위가 바뀌었어요", body="지수님이 앞질렀어요.", tag="a-tag", data={"date": "2026-05-20"},
                ttl_s=900, badge=3, collapse="news" if KINDS[kind].replaces else "",
            )  # fmt: skip
            delivery = Delivery(
                delivery_id=UUID(int=1), user_id=UserId(UUID(int=2)), notification_id=NotificationId(UUID(int=3)),
                installation_id="phone", platform=platform, type=kind, lane=KINDS[kind].lane, actor_id=None, params={},
                fold_key="", content=content, create_time=at, due_time=at, expire_time=at + timedelta(hours=1), check_time=at,
            )  # fmt: skip
            message = message_of(delivery, Registration(Target.TOKEN, "nobody's"), at)["message"]
            del message["token"]
            made.append({**NOBODY, **message})
    return made
