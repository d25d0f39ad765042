"""Reading the inbox and filling it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from firewalker.kernel.ids import NotificationId, UserId
from firewalker.kernel.paging import Page
from firewalker.notification.domain.notification import Notification
from firewalker.notification.store.notifications import Notifications
from firewalker.runtime.mysql import Database, retried


@dataclass(frozen=True, slots=True)
class InboxPage:
    """A page of notifications, newest first, and how many of all are unread."""

    page: Page[Notification]
    unread_count: int


class Inbox:
    """What a user finds when they come back."""

    def __init__(self, database: Database, notifications: Notifications) -> None:
        self._db = database
        self._notifications = notifications

    @retried(idempotent=True)
    async def add(self, notifications: Sequence[Notification]) -> None:
        """Put *notifications* into the inboxes they are for. Repeats change nothing; durable when this returns."""
        async with self._db.transaction() as tx:
            await self._notifications.add(tx, notifications)

    async def list(self, user: UserId, *, size: int, cursor: str | None, unread_only: bool) -> InboxPage:
        """One page of *user*'s notifications, *size* at most, behind *cursor* (None: from the newest)."""
        before = NotificationId(UUID(hex=cursor)) if cursor else None
        async with self._db.reading() as tx:
            rows = await self._notifications.list_before(tx, user, before, unread_only=unread_only, limit=size + 1)
            unread = await self._notifications.count_unread(tx, user)
        more = len(rows) > size
        rows = rows[:size]
        return InboxPage(Page(rows, rows[-1].notification_id.hex if more else None), unread)
