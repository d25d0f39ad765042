"""The delivery queue: who works on what, and what becomes of it. Every end is written only by who still has the lease."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from prometheus_client import Counter

from firewalker.kernel.clock import Clock, moment
from firewalker.notification.domain.delivery import CHECKED_FOR, MAX_ABANDONED, MAX_ATTEMPTS, QUIET_HOURS, Delivery
from firewalker.notification.domain.device import Device, Platform
from firewalker.notification.domain.notification import Lane
from firewalker.notification.domain.places import LastShare
from firewalker.notification.domain.preferences import Recipient
from firewalker.notification.domain.push import Later, Never, Now, Verdict, decide_again
from firewalker.notification.store import devices as device_rows
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.notifications import Notifications
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.ports import Rechecks, Sessions
from firewalker.notification.usecases.taking_back import TakingBack
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database, Transaction, retried

_SUCCESS_NOTED = timedelta(hours=1)
"""A device's last success is exact to this: noting each would double what a push costs."""

DELIVERIES = Counter(
    "firewalker_deliveries_total", "Deliveries by type and outcome.", ["type", "outcome"], registry=REGISTRY
)


@dataclass(frozen=True, slots=True)
class Work:
    """A delivery and the device that it is for, as it is registered now."""

    delivery: Delivery
    device: Device
    until: float
    """The last moment, of the clock that never goes back, at which an answer still comes within the lease."""


class Queue:
    """The queue, as one process works on it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        deliveries: Deliveries,
        devices: device_rows.Devices,
        notifications: Notifications,
        taking_back: TakingBack,
        recipients: Recipients,
        rechecks: Rechecks,
        sessions: Sessions,
        lease_s: int,
    ) -> None:
        """Whoever dies with a message gives it back after *lease_s*: twice the longest wait for an answer."""
        self._db = database
        self._clock = clock
        self._deliveries = deliveries
        self._devices = devices
        self._notifications = notifications
        self._taking_back = taking_back
        self._recipients = recipients
        self._rechecks = rechecks
        self._sessions = sessions
        self._lease_s = lease_s
        self._owner = uuid4()
        self._last_share = LastShare()

    async def claim(
        self, room: int, *, urgent_room: int = 0, parked: Collection[Platform] = ()
    ) -> tuple[Sequence[Work], int]:
        """Lease at most *room* that are due, *urgent_room* more of the first lane; and how many were looked at.

        Detached, expired and poisonous ones are dealt with on the way; what was checked long ago is decided again.
        """
        until = self._clock.monotonic() + self._lease_s / 2
        claimed, looked_at = await self._claim(room, urgent_room, self._last_share.of(room), parked, until)
        works = await self._signed_in(claimed)
        at = self._clock.now()
        unchecked = [work for work in works if at - work.delivery.check_time > CHECKED_FOR]
        if not unchecked:
            return works, looked_at
        verdicts = await self._rechecks.verdicts([work.delivery for work in unchecked])
        going = await self._decide_again([work.delivery for work in unchecked], verdicts)
        sent = {work.delivery.delivery_id: work.delivery for work in works}
        for work in unchecked:
            del sent[work.delivery.delivery_id]
        sent |= going
        works = [replace(work, delivery=sent[i]) for work in works if (i := work.delivery.delivery_id) in sent]
        return works, looked_at

    def may_send(self, work: Work) -> bool:
        """Whether it is still to be sent, and by this process: asked at the last moment before.

        A process that was paused for longer than its leases finds its messages to be others' by now (DLV-02).
        """
        return self._clock.monotonic() < work.until and not self._sessions.has_ended(work.device.session_id)

    async def withheld(self, work: Work) -> None:
        """It was not sent, because it may not be: nobody is to send it any more, or somebody else is."""
        if self._sessions.has_ended(work.device.session_id):
            await self.drop(work.delivery, "detached")
        else:
            await self.release([work.delivery])
            DELIVERIES.labels(work.delivery.type.value, "withheld").inc()

    @retried
    async def _claim(
        self, room: int, urgent_room: int, last_share: int, parked: Collection[Platform], until: float
    ) -> tuple[list[Work], int]:
        now = moment(self._clock)
        claimed: list[Delivery] = []
        async with self._db.transaction() as tx:

            async def lease(lane: Lane, up_to: int) -> bool:
                """Whether there were enough for *up_to* in all."""
                if up_to > len(claimed):
                    claimed.extend(
                        await self._deliveries.claim(
                            tx,
                            lane,
                            self._owner,
                            now=now,
                            lease_s=self._lease_s,
                            limit=up_to - len(claimed),
                            parked=parked,
                        )
                    )
                return len(claimed) >= up_to

            await lease(Lane.SECURITY, room + urgent_room)
            more_people = await lease(Lane.PEOPLE, room - last_share)
            if not await lease(Lane.STANDINGS, room) and more_people:
                await lease(Lane.PEOPLE, room)  # what the last lane left of its share
            devices = await self._devices.find(tx, [d.installation_id for d in claimed])
            works, gone = [], []
            for delivery in claimed:
                device = devices.get(delivery.installation_id)
                if device is None or device.user_id != delivery.user_id:
                    gone.append((delivery, "detached"))
                elif delivery.expire_time <= now:
                    gone.append((delivery, "expired"))
                elif delivery.abandoned >= MAX_ABANDONED:
                    await self._deliveries.bury(tx, self._owner, delivery, "abandoned", counted=False)
                    DELIVERIES.labels(delivery.type.value, "abandoned").inc()
                else:
                    works.append(Work(delivery, device, until))
            await self._drop(tx, gone)
        return works, len(claimed)

    async def _signed_in(self, works: Sequence[Work]) -> Sequence[Work]:
        """*works* without those for devices whose session has ended."""
        ended = await self._sessions.among({work.device.session_id for work in works})
        if not ended:
            return works
        await self._detach([work for work in works if work.device.session_id in ended])
        return [work for work in works if work.device.session_id not in ended]

    @retried
    async def _detach(self, works: Sequence[Work]) -> None:
        """The devices of *works* are nobody's any more, whatever else tells of it (FCM-14)."""
        async with self._db.transaction() as tx:
            await self._drop(tx, [(work.delivery, "detached") for work in works])
            for user, session in sorted({(work.device.user_id, work.device.session_id) for work in works}):
                await self._devices.delete_of_session(tx, user, session)

    @retried
    async def _decide_again(self, deliveries: Sequence[Delivery], verdicts: Sequence[Verdict]) -> dict[UUID, Delivery]:
        """Those of *deliveries*, by what is said of them, that are still to be sent now; the others are dropped or put off.

        They say what the rows say by now: whoever asked for bare pushes meanwhile has been told that they are.
        """
        at = moment(self._clock)
        gone: list[tuple[Delivery, str]] = []
        going: dict[UUID, Delivery] = {}
        with_rest = {
            d.user_id for d, verdict in zip(deliveries, verdicts, strict=True) if d.folded and verdict is Verdict.MOOT
        }
        async with self._db.transaction() as tx:
            if with_rest:  # whose pushes are planned again
                await self._recipients.lock(tx, with_rest)
            # First: wishes that change from here on wait for this, and then have everything decided once more.
            ours = await self._deliveries.hold(tx, self._owner, [d.delivery_id for d in deliveries])
            recipients = await self._recipients.list(tx, {d.user_id for d in deliveries})
            unread = await self._notifications.list_unread_of(tx, {(d.user_id, n) for d in deliveries for n in d.told})
            for delivery, verdict in zip(deliveries, verdicts, strict=True):
                if delivery.delivery_id not in ours:
                    continue
                recipient = recipients.get(delivery.user_id, Recipient(delivery.user_id))
                is_unread = any((delivery.user_id, told) in unread for told in delivery.told)
                match decide_again(delivery, recipient, verdict, unread=is_unread, at=at):
                    case Now():
                        going[delivery.delivery_id] = replace(delivery, content=ours[delivery.delivery_id])
                    case Never(why=why):
                        gone.append((delivery, why))
                        if why == "moot" and delivery.folded:
                            await self._plan_the_rest_again(tx, delivery)
                    case Later(due=due, unsure=unsure):
                        why = "unchecked" if unsure else QUIET_HOURS
                        await self._deliveries.put_off(tx, self._owner, delivery, due, why, counted=False)
            await self._deliveries.note_check(tx, self._owner, going, at)
            await self._drop(tx, gone)
        return going

    async def _plan_the_rest_again(self, tx: Transaction, delivery: Delivery) -> None:
        """What it leads with does not hold any more; that says nothing of the others that it tells of."""
        if delivery.actor_id is not None:
            user, actor, key = delivery.user_id, delivery.actor_id, delivery.fold_key
            await self._taking_back.take_back(tx, [user], actor, fold_key=key)

    @retried
    async def accepted(self, works: Sequence[Work]) -> None:
        """FCM took these: they are done."""
        at = moment(self._clock)
        async with self._db.transaction() as tx:
            await self._deliveries.delete(tx, self._owner, [work.delivery.delivery_id for work in works])
            fresh = {
                (work.device.installation_id, work.device.generation)
                for work in works
                if work.device.last_success_time is None or at - work.device.last_success_time > _SUCCESS_NOTED
            }
            await self._devices.note_success(tx, fresh, at)

    @retried
    async def drop(self, delivery: Delivery, why: str) -> None:
        """Nothing more is to be done for it."""
        async with self._db.transaction() as tx:
            await self._drop(tx, [(delivery, why)])

    async def again(self, delivery: Delivery, wait: timedelta, error: str, *, counted: bool = True) -> None:
        """Try again after *wait*; it is given up after the last attempt, and dropped if it is no news by then."""
        due = moment(self._clock) + wait
        if due >= delivery.expire_time:
            await self.drop(delivery, "expired")
        elif counted and delivery.attempts + 1 >= MAX_ATTEMPTS:
            await self.bury(delivery, error)
        else:
            await self._put_off(delivery, due, error, counted=counted)

    @retried
    async def bury(self, delivery: Delivery, error: str) -> None:
        """Give it up, for people to look at."""
        async with self._db.transaction() as tx:
            await self._deliveries.bury(tx, self._owner, delivery, error, counted=True)
        DELIVERIES.labels(delivery.type.value, "dead").inc()

    @retried
    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing was tried: anybody may take these at once."""
        async with self._db.transaction() as tx:
            await self._deliveries.release(tx, self._owner, [d.delivery_id for d in deliveries])

    @retried
    async def _put_off(self, delivery: Delivery, due: datetime, error: str, *, counted: bool) -> None:
        async with self._db.transaction() as tx:
            await self._deliveries.put_off(tx, self._owner, delivery, due, error, counted=counted)
        DELIVERIES.labels(delivery.type.value, "put_off").inc()

    async def _drop(self, tx: Transaction, gone: Sequence[tuple[Delivery, str]]) -> None:
        await self._deliveries.delete(tx, self._owner, [delivery.delivery_id for delivery, _ in gone])
        for delivery, why in gone:
            DELIVERIES.labels(delivery.type.value, why).inc()

    async def any_device(self, platform: Platform | None) -> Device | None:
        """Some device of the platform, of any if None: to ask FCM about."""
        async with self._db.reading() as tx:
            return await self._devices.find_any(tx, platform)
