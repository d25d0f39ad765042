"""How users want to be told."""

from collections.abc import Callable

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.notification.domain.content import bared
from firewalker.notification.domain.notification import KINDS
from firewalker.notification.domain.preferences import Locale, Preferences, PushText, Recipient
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.ports import Wake
from firewalker.runtime.mysql import Database, Transaction, retried


class Wishes:
    """The preferences of users. *locale* is for those of whom no language is known."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        recipients: Recipients,
        pushes: Pushes,
        deliveries: Deliveries,
        wake: Wake,
        locale: Locale,
    ) -> None:
        self._db = database
        self._clock = clock
        self._recipients = recipients
        self._pushes = pushes
        self._deliveries = deliveries
        self._wake = wake
        self._locale = locale

    async def get(self, user: UserId) -> tuple[Preferences, Locale]:
        """What *user* chose, and the language that they are written to in."""
        async with self._db.reading() as tx:
            return self._shown(await self._recipients.get(tx, user))

    async def update(self, user: UserId, change: Callable[[Preferences], Preferences]) -> tuple[Preferences, Locale]:
        """Apply *change* to what *user* chose. What waits to be pushed is looked at anew; committed when this returns."""
        recipient = await self._update(user, change)
        self._wake()
        return self._shown(recipient)

    @retried(idempotent=True)
    async def _update(self, user: UserId, change: Callable[[Preferences], Preferences]) -> Recipient:
        at = moment(self._clock)
        async with self._db.transaction() as tx:
            before = (await self._recipients.lock(tx, [user]))[user]
            if not before.erased:
                await self._recipients.save_preferences(tx, user, change(before.preferences))
                await self._pushes.review(tx, user, at)
                await self._deliveries.review(tx, user, at)
            after = await self._recipients.get(tx, user)
            if after.preferences.push_text is PushText.BARE:
                await self._bare(tx, after)
            return after

    async def _bare(self, tx: Transaction, recipient: Recipient) -> None:
        """Take the words out of what is queued for *recipient*. The other way they are gone: that stays as it is."""
        for delivery in await self._deliveries.list_of(tx, recipient.user_id):
            if not delivery.content.bare:
                kind, locale = KINDS[delivery.type], recipient.locale(self._locale)
                content = bared(delivery.content, kind, recipient.user_id, locale)
                await self._deliveries.save_content(tx, delivery.delivery_id, content)

    def _shown(self, recipient: Recipient) -> tuple[Preferences, Locale]:
        return recipient.preferences, recipient.locale(self._locale)
