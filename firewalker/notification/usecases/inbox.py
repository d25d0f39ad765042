"""Reading the inbox, and noting what was read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import NotificationId, UserId
from firewalker.kernel.paging import Page
from firewalker.notification.domain.notification import Notification
from firewalker.notification.domain.preferences import Locale
from firewalker.notification.store.notifications import Notifications
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.ports import Announce
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.runtime.personal_data import tombstones

KEPT = timedelta(days=90)
"""How long notifications are kept (proto)."""

_PORTION = 1_000

_MOST_OF_A_REVISION = 1_000
"""Far more than one delivery tells: that has at most 100 events."""


@dataclass(frozen=True, slots=True)
class InboxPage:
    """A page of notifications, newest first, how many of all are unread, and the language to write them in."""

    page: Page[Notification]
    unread_count: int
    locale: Locale


@dataclass(frozen=True, slots=True)
class InboxNews:
    """What came into an inbox since some state of it."""

    notifications: Sequence[Notification]
    unread_count: int
    revision: int
    locale: Locale
    whole: bool
    """Whether that is all; else there is more to ask for at once."""


class Inbox:
    """What a user finds when they come back. *locale* is for those of whom no language is known."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        notifications: Notifications,
        recipients: Recipients,
        announce: Announce,
        locale: Locale,
    ) -> None:
        self._db = database
        self._clock = clock
        self._notifications = notifications
        self._recipients = recipients
        self._announce = announce
        self._locale = locale

    async def list(self, user: UserId, *, size: int, cursor: str | None, unread_only: bool) -> InboxPage:
        """One page of *user*'s notifications, *size* at most, behind *cursor* (None: from the newest)."""
        before = NotificationId(UUID(hex=cursor)) if cursor else None
        async with self._db.reading() as tx:
            rows = await self._notifications.list_before(tx, user, before, unread_only=unread_only, limit=size + 1)
            shown = await _shown(tx, rows[:size])
            unread = await self._notifications.count_unread(tx, user)
            locale = await self._locale_of(tx, user)
        more = len(rows) > size
        return InboxPage(Page(shown, rows[size - 1].notification_id.hex if more else None), unread, locale)

    async def since(self, user: UserId, revision: int | None, limit: int) -> InboxNews:
        """What came after *revision*, about *limit* at most, as it came; None asks only where the inbox stands.

        The revision told is the one up to which everything is in the answer: of none there is only a part, though one delivery
        may have told more than *limit*.
        """
        async with self._db.reading() as tx:
            # First, so that what comes in between is told twice rather than never.
            now = (await self._recipients.list_revisions(tx, [user])).get(user, 0)
            rows: Sequence[Notification] = (
                [] if revision is None else await self._notifications.list_since(tx, user, revision, limit)
            )
            whole = len(rows) < limit
            if not whole:
                last = rows[-1].revision
                rows = await self._in_whole_revisions(tx, user, rows)
                now = rows[-1].revision if rows else last  # all of it was taken back meanwhile
            shown = await _shown(tx, rows)
            unread = await self._notifications.count_unread(tx, user)
            locale = await self._locale_of(tx, user)
        return InboxNews(shown, unread, max([now, *(row.revision for row in rows)]), locale, whole)

    async def revisions(self, users: Collection[UserId]) -> dict[UserId, int]:
        """How often the inboxes of *users* were changed, in one query."""
        async with self._db.reading() as tx:
            return await self._recipients.list_revisions(tx, users)

    async def mark_read(self, user: UserId, ids: Collection[NotificationId]) -> int:
        """Mark these of *user*'s as read, and tell how many are unread then. Durable when this returns."""
        return await self._mark(user, ids, None)

    async def mark_all_read(self, user: UserId, before: datetime) -> int:
        """Mark all of *user*'s that happened until *before*, inclusive, as read, and tell how many are unread then."""
        return await self._mark(user, (), before)

    async def _mark(self, user: UserId, ids: Collection[NotificationId], before: datetime | None) -> int:
        changed, unread = await self._save_read(user, ids, before)
        if changed:
            self._announce([user])
        return unread

    @retried(idempotent=True)
    async def _save_read(
        self, user: UserId, ids: Collection[NotificationId], before: datetime | None
    ) -> tuple[int, int]:
        at = moment(self._clock)
        async with self._db.transaction() as tx:
            await self._recipients.lock(tx, [user])
            changed = await self._notifications.mark_read(tx, user, ids, at)
            if before is not None:
                changed += await self._notifications.mark_all_read(tx, user, before, at)
            if changed:
                await self._recipients.advance(tx, [user])
            return changed, await self._notifications.count_unread(tx, user)

    @retried(idempotent=True)
    async def forget_old(self) -> int:
        """Remove some notifications that are older than they are kept, and tell how many: 0 when none is left."""
        async with self._db.transaction() as tx:
            return await self._notifications.delete_before(tx, self._clock.now() - KEPT, _PORTION)

    async def forget_about(self, gone: UserId) -> None:
        """Remove what others were told of *gone*, who was deleted; their counts follow, and whoever watches hears of it."""
        while users := await self._forget_some_about(gone):
            self._announce(users)

    @retried(idempotent=True)
    async def _forget_some_about(self, gone: UserId) -> set[UserId]:
        """Whose inboxes have changed; none once nothing is left."""
        async with self._db.transaction() as tx:
            keys = await self._notifications.list_about(tx, gone, _PORTION)
            users = {user for user, _ in keys}
            if keys:
                await self._recipients.lock(tx, users)
                await self._notifications.delete_some(tx, keys)
                await self._recipients.advance(tx, users)
        return users

    async def _in_whole_revisions(
        self, tx: Transaction, user: UserId, rows: Sequence[Notification]
    ) -> Sequence[Notification]:
        """*rows* without those of the last revision, of which there may be more; where it is the only one, all of that."""
        last = rows[-1].revision
        if rows[0].revision < last:
            return [row for row in rows if row.revision < last]
        found = await self._notifications.list_since(tx, user, last - 1, _MOST_OF_A_REVISION)
        return [row for row in found if row.revision == last]

    async def _locale_of(self, tx: Transaction, user: UserId) -> Locale:
        return (await self._recipients.get(tx, user)).locale(self._locale)


async def _shown(tx: Transaction, rows: Sequence[Notification]) -> Sequence[Notification]:
    """*rows* without what is about people who were deleted: of somebody with many friends it takes a while to be erased.

    The count of what is unread follows with the erasure: tombstones are not beside the inboxes where these are sharded.
    """
    actors = {row.actor_id for row in rows if row.actor_id is not None}
    gone = await tombstones.list_among(tx, actors) if actors else set()
    return [row for row in rows if row.actor_id not in gone] if gone else rows
