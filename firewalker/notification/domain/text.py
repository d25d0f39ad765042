"""The words of a notification, per locale. Names are followed by 님 in Korean, so no particle depends on their sound."""

from dataclasses import dataclass
from enum import Enum

from firewalker.notification.domain.notification import Notification, Type


class Locale(Enum):
    """A language that notifications are written in."""

    EN = "en"
    KO = "ko"


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads: one line, and a sentence."""

    title: str
    body: str


_TEMPLATES = {
    (Type.FRIEND_REQUEST, Locale.EN): Text("Friend request", "{nickname} wants to be your friend."),
    (Type.FRIEND_REQUEST, Locale.KO): Text("친구 요청", "{nickname}님이 친구 요청을 보냈어요."),
    (Type.FRIEND_ACCEPTED, Locale.EN): Text("New friend", "{nickname} accepted your friend request."),
    (Type.FRIEND_ACCEPTED, Locale.KO): Text("새 친구", "{nickname}님이 친구 요청을 수락했어요."),
}


def text_of(notification: Notification, locale: Locale) -> Text:
    """The words of *notification* in *locale*."""
    template = _TEMPLATES[notification.type, locale]
    return Text(template.title.format_map(notification.params), template.body.format_map(notification.params))
