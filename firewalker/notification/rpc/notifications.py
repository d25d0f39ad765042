"""NotificationService: the inbox over the wire."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.notification.v1 import (
    ListNotificationsRequest,
    ListNotificationsResponse,
    NotificationServiceBase,
    NotificationType,
)
from firewalker.gen.pb.firewalker.notification.v1 import Notification as NotificationMessage
from firewalker.kernel.paging import page_size
from firewalker.kernel.principal import principal
from firewalker.notification.domain.notification import Notification
from firewalker.notification.domain.text import Locale, text_of
from firewalker.notification.usecases.inbox import Inbox
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import READS
from firewalker.runtime.page_tokens import PageTokens


class NotificationDoor(NotificationServiceBase):
    """The inbox of whoever calls."""

    POLICY: ClassVar[Mapping[str, Rule]] = {
        "ListNotifications": Rule(Caller.USER, priority=Priority.READ, rate=READS),
    }

    def __init__(self, inbox: Inbox, page_tokens: PageTokens, locale: Locale) -> None:
        self._inbox = inbox
        self._page_tokens = page_tokens
        self._locale = locale

    async def list_notifications(self, message: ListNotificationsRequest) -> ListNotificationsResponse:
        """See the proto."""
        user = principal().user_id
        query = f"notifications:{user}:{message.unread_only}"
        listed = await self._inbox.list(
            user,
            size=page_size(message.page_size),
            cursor=self._page_tokens.open(query, message.page_token),
            unread_only=message.unread_only,
        )
        cursor = listed.page.next_cursor
        return ListNotificationsResponse(
            notifications=[self._render(n) for n in listed.page.rows],
            unread_count=listed.unread_count,
            next_page_token=self._page_tokens.seal(query, cursor) if cursor else "",
        )

    def _render(self, notification: Notification) -> NotificationMessage:
        text = text_of(notification, self._locale)
        return NotificationMessage(
            notification_id=str(notification.notification_id),
            type=NotificationType[notification.type.value],
            params=dict(notification.params),
            title=text.title,
            body=text.body,
            create_time=notification.create_time,
            read_time=notification.read_time,
        )
