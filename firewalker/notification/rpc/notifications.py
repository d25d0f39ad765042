"""NotificationService: the inbox and the preferences over the wire. A hot door: it takes and gives upb messages."""

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import NotificationId, parse_uuid
from firewalker.kernel.paging import page_size
from firewalker.kernel.principal import principal
from firewalker.notification.domain.notification import Notification
from firewalker.notification.domain.preferences import Locale
from firewalker.notification.domain.text import text_of
from firewalker.notification.live import End, EndReason, WatchedInboxes
from firewalker.notification.rpc.preference_messages import change_of, fill_preferences
from firewalker.notification.usecases.inbox import Inbox
from firewalker.notification.usecases.wishes import Wishes
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import CHANGES, READS
from firewalker.runtime.grpc.streams import HotStream
from firewalker.runtime.grpc.watching import raise_refusal, when_offered_its_end
from firewalker.runtime.page_tokens import PageTokens

_Listed = message_class("firewalker.notification.v1.ListNotificationsResponse")
_Watched = message_class("firewalker.notification.v1.WatchNotificationsResponse")
_Marked = message_class("firewalker.notification.v1.MarkReadResponse")
_Preferences = message_class("firewalker.notification.v1.GetPreferencesResponse")
_Updated = message_class("firewalker.notification.v1.UpdatePreferencesResponse")
_Message = message_class("firewalker.notification.v1.Notification")

MOST_IDS = 200
"""Most notifications that one call marks as read (proto)."""

_READ: Final = Rule(Caller.USER, max_message_bytes=4_096, priority=Priority.READ, rate=READS)
_CHANGE: Final = Rule(Caller.USER, max_message_bytes=16_384, rate=CHANGES)


class NotificationDoor:
    """The inbox of whoever calls."""

    SERVICE: ClassVar[str] = "firewalker.notification.v1.NotificationService"
    POLICY: ClassVar[Mapping[str, Rule]] = {
        "ListNotifications": _READ,
        "WatchNotifications": _READ,
        "MarkRead": _CHANGE,
        "GetPreferences": _READ,
        "UpdatePreferences": _CHANGE,
    }

    def __init__(self, inbox: Inbox, watched: WatchedInboxes, wishes: Wishes, page_tokens: PageTokens) -> None:
        self._inbox = inbox
        self._watched = watched
        self._wishes = wishes
        self._page_tokens = page_tokens

    async def list_notifications(self, request: Any) -> Any:
        """See the proto."""
        user = principal().user_id
        query = f"notifications:{user}:{request.unread_only}"
        listed = await self._inbox.list(
            user,
            size=page_size(request.page_size),
            cursor=self._page_tokens.open(query, request.page_token),
            unread_only=request.unread_only,
        )
        cursor = listed.page.next_cursor
        answer = _Listed(
            unread_count=listed.unread_count, next_page_token=self._page_tokens.seal(query, cursor) if cursor else ""
        )
        for row in listed.page.rows:
            _fill(answer.notifications.add(), row, listed.locale)
        return answer

    async def watch_notifications(self, _: Any, stream: HotStream) -> None:
        """See the proto. One task per stream, this one."""
        unread = 0
        with closing(self._watched.watch(principal().user_id)) as watcher:
            when_offered_its_end(stream, watcher.end, EndReason)
            while not isinstance(news := await watcher.next(), End):
                unread = news.unread_count
                if not news.notifications:
                    await stream.send(_Watched(unread_count=unread))
                for row in news.notifications:
                    answer = _Watched(unread_count=unread)
                    _fill(answer.notification, row, news.locale)
                    await stream.send(answer)
            answer = _Watched(unread_count=unread)  # as before: nobody has read them because the stream ends
            answer.end.reason = answer.end.Reason.Value(news.reason.name)
            await stream.send(answer)
        raise_refusal(stream, news.reason)

    async def mark_read(self, request: Any) -> Any:
        """See the proto."""
        user = principal().user_id
        by_time = request.HasField("all_before_time")
        if by_time == bool(request.notification_ids):
            wrong = "give either notification_ids or all_before_time"
            raise InvalidRequest(violations=[Violation("notification_ids", wrong)])
        if by_time:
            before = _time(request.all_before_time)
            return _Marked(unread_count=await self._inbox.mark_all_read(user, before))
        return _Marked(unread_count=await self._inbox.mark_read(user, _ids(request.notification_ids)))

    async def get_preferences(self, _: Any) -> Any:
        """See the proto."""
        answer = _Preferences()
        fill_preferences(answer.preferences, *await self._wishes.get(principal().user_id))
        return answer

    async def update_preferences(self, request: Any) -> Any:
        """See the proto."""
        change = change_of(request.preferences, request.update_mask.paths)
        answer = _Updated()
        fill_preferences(answer.preferences, *await self._wishes.update(principal().user_id, change))
        return answer


def _fill(message: Any, notification: Notification, locale: Locale) -> None:
    text = text_of(notification, locale)
    message.notification_id = str(notification.notification_id)
    message.type = _Message.Type.Value(notification.type.value)
    message.params.update(notification.params)
    message.title, message.body = text.title, text.body
    message.create_time.FromDatetime(notification.create_time)
    if notification.read_time is not None:
        message.read_time.FromDatetime(notification.read_time)


def _ids(texts: Any) -> set[NotificationId]:
    if len(texts) > MOST_IDS:
        raise InvalidRequest(violations=[Violation("notification_ids", f"must be at most {MOST_IDS}")])
    ids, violations = set(), []
    for position, text in enumerate(texts):
        if (found := parse_uuid(text)) is None:
            violations.append(Violation(f"notification_ids[{position}]", "must be a UUID"))
        else:
            ids.add(NotificationId(found))
    if violations:
        raise InvalidRequest(violations=violations)
    return ids


def _time(stamp: Any) -> datetime:
    try:
        at: datetime = stamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(violations=[Violation("all_before_time", "must be a time")]) from None
    return at
