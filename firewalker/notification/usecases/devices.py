"""Which devices are pushed to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.faults import SessionRevoked
from firewalker.kernel.ids import SessionId, UserId, new_uuid7_at
from firewalker.notification.domain.device import MAX_DEVICES, OLDEST, UNSEEN, Device, Platform, Registration
from firewalker.notification.domain.preferences import locale_of
from firewalker.notification.store import devices as rows
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.recipients import Recipients
from firewalker.runtime.mysql import Database, retried

_ENDED_KEPT = timedelta(hours=1)
"""How long it is known that a session has ended: whoever came in with its access token before, is done by then."""

_PORTION = 1_000


@dataclass(frozen=True, slots=True)
class NewDevice:
    """What an app tells of its installation."""

    installation_id: str
    platform: Platform
    registration: Registration
    app_version: str
    locale: str


class Devices:
    """The devices of users. One that was not seen for *unseen* is detached."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        devices: rows.Devices,
        deliveries: Deliveries,
        recipients: Recipients,
        unseen: timedelta = UNSEEN,
    ) -> None:
        self._db = database
        self._clock = clock
        self._devices = devices
        self._deliveries = deliveries
        self._recipients = recipients
        self._unseen = min(unseen, OLDEST)

    @retried(idempotent=True)
    async def register(self, user: UserId, session: SessionId, told: NewDevice) -> Device:
        """Make *told* a device of *user*, and of nobody else; committed when this returns.

        What was queued for who had the installation or the registration before finds no device any more.

        Raises:
            SessionRevoked: *session* has ended since the call came in.
        """
        at = moment(self._clock)
        device = Device(
            installation_id=told.installation_id,
            user_id=user,
            session_id=session,
            platform=told.platform,
            registration=told.registration,
            generation=new_uuid7_at(at),
            app_version=told.app_version,
            locale=told.locale,
            register_time=at,
            last_seen_time=at,
        )
        async with self._db.transaction() as tx:
            recipient = (await self._recipients.lock(tx, [user]))[user]
            if recipient.erased:
                return device  # the account is being erased; nobody will be signed in to it for long
            if await self._devices.has_ended(tx, user, session):
                raise SessionRevoked
            await self._devices.save(tx, device)
            if (locale := locale_of(told.locale)) is not None and locale is not recipient.device_locale:
                await self._recipients.save_device_locale(tx, user, locale)
            mine = await self._devices.list(tx, [user])
            for surplus in mine[MAX_DEVICES:]:
                await self._devices.delete(tx, surplus.installation_id, user)
        return next(found for found in mine if found.installation_id == told.installation_id)

    @retried(idempotent=True)
    async def unregister(self, user: UserId, installation: str) -> None:
        """Detach the installation if it is *user*'s; committed when this returns."""
        async with self._db.transaction() as tx:
            # In the order in which everybody takes them: the user, what is queued, the device.
            await self._recipients.lock(tx, [user])
            await self._deliveries.delete_of_device(tx, installation, user)
            await self._devices.delete(tx, installation, user)

    async def list(self, user: UserId) -> Sequence[Device]:
        """The devices of *user*, the one seen last first."""
        async with self._db.reading() as tx:
            return await self._devices.list(tx, [user])

    @retried(idempotent=True)
    async def sweep(self) -> int:
        """Detach some devices that were not seen for too long, and tell how many: 0 when none is left."""
        async with self._db.transaction() as tx:
            return await self._devices.delete_unseen(tx, self._clock.now() - self._unseen, _PORTION)

    @retried
    async def prune(self, installation: str, generation: UUID) -> bool:
        """Detach exactly that registration, which FCM does not know any more, and tell whether it was still there."""
        async with self._db.transaction() as tx:
            return await self._devices.delete_generation(tx, installation, generation, moment(self._clock))

    async def count(self) -> int:
        """How many devices there are. Slow where there are millions: ask seldom."""
        async with self._db.reading() as tx:
            return await self._devices.count(tx)

    async def count_pruned(self, within: timedelta) -> int:
        """How many were pruned lately, by all processes."""
        async with self._db.reading() as tx:
            return await self._devices.count_pruned(tx, self._clock.now() - within)

    @retried(idempotent=True)
    async def forget_ended(self) -> int:
        """Forget some of the sessions that ended long ago, and tell how many: 0 when none is left."""
        async with self._db.transaction() as tx:
            return await self._devices.forget_ended(tx, self._clock.now() - _ENDED_KEPT, _PORTION)

    @retried(idempotent=True)
    async def forget_pruned(self) -> int:
        """Forget some notes of what was pruned a day ago, and tell how many: 0 when none is left."""
        async with self._db.transaction() as tx:
            return await self._devices.forget_pruned(tx, self._clock.now() - timedelta(days=1), _PORTION)
