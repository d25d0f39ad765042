"""How users want to be told."""

from collections.abc import Callable

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.notification.domain.preferences import Locale, Preferences, Recipient
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.ports import Wake, moment
from firewalker.runtime.mysql import Database, retried


class Wishes:
    """The preferences of users. *locale* is for those of whom no language is known."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        recipients: Recipients,
        pushes: Pushes,
        wake: Wake,
        locale: Locale,
    ) -> None:
        self._db = database
        self._clock = clock
        self._recipients = recipients
        self._pushes = pushes
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
        async with self._db.transaction() as tx:
            before = (await self._recipients.lock(tx, [user]))[user]
            if not before.erased:
                await self._recipients.save_preferences(tx, user, change(before.preferences))
                await self._pushes.review(tx, user, moment(self._clock))
            return await self._recipients.get(tx, user)

    def _shown(self, recipient: Recipient) -> tuple[Preferences, Locale]:
        return recipient.preferences, recipient.locale(self._locale)
