"""From a notification that is to be pushed to messages for devices: when, with which others, and whether at all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from prometheus_client import Counter

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import NotificationId, UserId, new_uuid7_at
from firewalker.notification.domain.content import content_of
from firewalker.notification.domain.delivery import Content, Delivery
from firewalker.notification.domain.device import Device
from firewalker.notification.domain.notification import Lane, Type
from firewalker.notification.domain.preferences import Locale, Recipient
from firewalker.notification.domain.push import Decision, Later, Never, Now, Push, Verdict, decide, folded
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.devices import Devices
from firewalker.notification.store.notifications import Notifications
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.ports import Rechecks, Wake
from firewalker.runtime import tracing
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database, Transaction, retried

_PORTION = 50

_PLANNED = Counter(
    "firewalker_pushes_planned_total", "Pushes by what became of them.", ["type", "outcome"], registry=REGISTRY
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Bundle:
    """A push that is due, and what waits to be pushed with it."""

    push: Push
    mates: Sequence[Push]

    @property
    def causes(self) -> Sequence[str]:
        """The traces that it goes back to."""
        return [push.traceparent for push in (self.push, *self.mates)]


class Planning:
    """Looks at the pushes that are due. Several processes may: each works on what it has leased."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        pushes: Pushes,
        deliveries: Deliveries,
        devices: Devices,
        notifications: Notifications,
        recipients: Recipients,
        rechecks: Rechecks,
        wake: Wake,
        crowded: Callable[[], bool],
        locale: Locale,
        lease_s: int,
    ) -> None:
        """*crowded*: whether so much waits to be sent that new pushes about standings are dropped.

        Whoever dies with a push gives it back after *lease_s*, long enough for its questions and transactions.
        """
        self._db = database
        self._clock = clock
        self._pushes = pushes
        self._deliveries = deliveries
        self._devices = devices
        self._notifications = notifications
        self._recipients = recipients
        self._rechecks = rechecks
        self._wake = wake
        self._crowded = crowded
        self._locale = locale
        self._lease_s = lease_s
        self._owner = uuid4()

    async def work(self) -> int:
        """Plan some of what is due, and tell how many: 0 when nothing is."""
        due = await self._claim()
        if not due:
            return 0
        bundles = await self._bundles(due)
        told = list({(p.user_id, p.notification_id): p for b in bundles for p in (b.push, *b.mates)}.values())
        verdicts = {
            (p.user_id, p.notification_id): verdict
            for p, verdict in zip(told, await self._rechecks.verdicts(told), strict=True)
        }
        queued = False
        for bundle in bundles:
            with tracing.caused("plan push", bundle.causes, type=bundle.push.type.value):
                queued |= await self._plan(bundle, verdicts)
        if queued:
            self._wake()
        return len(due)

    async def _plan(self, bundle: _Bundle, verdicts: Mapping[tuple[UserId, NotificationId], Verdict]) -> bool:
        try:
            return await self._settle(bundle, verdicts)
        except Fault:
            raise  # of MySQL; what was leased comes back by itself
        except Exception:  # noqa: BLE001 - one that cannot be planned must not hold up the others for ever
            _log.exception("push_not_planned", type=bundle.push.type.value)
            await self._drop(bundle.push)
            return False

    @retried
    async def forget_old(self, before: datetime) -> int:
        """Remove some pushes that are done and from before that time, and tell how many: 0 when none is left."""
        async with self._db.transaction() as tx:
            return await self._pushes.delete_before(tx, before, 1_000)

    @retried
    async def _claim(self) -> list[Push]:
        """What is due, of every lane its share: the more urgent first, but a fifth for the last (DLV-11)."""
        now = moment(self._clock)
        due: list[Push] = []
        async with self._db.transaction() as tx:
            for lane in Lane:
                room = _PORTION - len(due) + (_PORTION // 5 if lane is Lane.STANDINGS else 0)
                due += await self._pushes.claim(tx, lane, self._owner, now=now, lease_s=self._lease_s, limit=room)
        return due

    async def _bundles(self, due: Sequence[Push]) -> list[_Bundle]:
        """Each with its mates; of several that are due and go together only the first."""
        bundles, seen = [], set()
        async with self._db.reading() as tx:
            for push in due:
                key = (push.user_id, push.fold_key)
                if not push.kind.folds:
                    bundles.append(_Bundle(push, ()))
                elif key not in seen:
                    seen.add(key)
                    mates = await self._pushes.list_mates(tx, push)
                    bundles.append(_Bundle(push, [m for m in mates if m.notification_id != push.notification_id]))
        return bundles

    @retried
    async def _settle(self, bundle: _Bundle, verdicts: Mapping[tuple[UserId, NotificationId], Verdict]) -> bool:
        """Decide, and write the decision down; whether there are new deliveries."""
        first, at = bundle.push, moment(self._clock)
        user = first.user_id
        async with self._db.transaction() as tx:
            # The user's row first: two processes that plan for one user do it one after the other.
            recipient = (await self._recipients.lock(tx, [user]))[user]
            if not await self._pushes.hold(tx, first, self._owner):
                return False
            ids = [first.notification_id, *(mate.notification_id for mate in bundle.mates)]
            unread = await self._notifications.list_unread(tx, user, ids)
            history = await self._pushes.history(tx, first)
            crowded = self._crowded()

            def decided(push: Push) -> Decision:
                verdict = verdicts.get((user, push.notification_id), Verdict.UNKNOWN)
                return decide(
                    push, recipient, history, verdict, unread=push.notification_id in unread, at=at, crowded=crowded
                )

            waiting = await self._pushes.lock_waiting(tx, user, ids[1:])
            decisions = [(p, decided(p)) for p in (first, *bundle.mates) if p is first or p.notification_id in waiting]
            going = [push for push, decision in decisions if isinstance(decision, Now)]
            queued = bool(going) and await self._push(tx, recipient, going, at)
            await self._note(tx, user, decisions, going, queued=queued, at=at)
        return queued

    async def _note(
        self,
        tx: Transaction,
        user: UserId,
        decisions: Sequence[tuple[Push, Decision]],
        going: Sequence[Push],
        *,
        queued: bool,
        at: datetime,
    ) -> None:
        for push, decision in decisions:
            ids = [push.notification_id]
            match decision:
                case Later(due=due, unsure=unsure):
                    await self._pushes.put_off(tx, user, ids, due, unsure=unsure)
                    outcome = "put_off"
                case Never(why=outcome):
                    await self._pushes.end(tx, user, ids, state="DROPPED", why=outcome, at=at)
                case Now():
                    outcome = ("pushed" if push is going[0] else "folded") if queued else "no_device"
                    state = outcome.upper() if queued else "DROPPED"
                    await self._pushes.end(tx, user, ids, state=state, why=outcome, at=at)
            _PLANNED.labels(push.type.value, outcome).inc()
            if push is decisions[0][0]:
                tracing.note(outcome=outcome)

    async def _push(self, tx: Transaction, recipient: Recipient, going: Sequence[Push], at: datetime) -> bool:
        """Queue one message for each device; whether there is any."""
        told = folded(going[0], going[1:])
        newest, kind = told[0], going[0].kind
        session = newest.params.get("session_id") if newest.type is Type.SECURITY else None
        devices = [d for d in await self._devices.list(tx, [recipient.user_id]) if str(d.session_id) != session]
        if not devices:
            return False
        badge = await self._notifications.count_unread(tx, recipient.user_id)
        content = content_of(going[0], told, recipient, recipient.locale(self._locale), badge)
        if kind.replaces:
            await self._deliveries.supersede(tx, recipient.user_id, going[0].fold_key)
        expires = max(push.expire_time for push in going)
        lead = next(push for push in going if push.notification_id == newest.notification_id)
        others = [n.notification_id for n in told[1:]]
        await self._deliveries.add(
            tx, [_delivery(lead, device, content, expires, at, others=others) for device in devices]
        )
        return True

    @retried
    async def _drop(self, push: Push) -> None:
        async with self._db.transaction() as tx:
            if await self._pushes.hold(tx, push, self._owner):
                at = moment(self._clock)
                await self._pushes.end(tx, push.user_id, [push.notification_id], state="DROPPED", why="failed", at=at)
        _PLANNED.labels(push.type.value, "failed").inc()


def _delivery(
    push: Push,
    device: Device,
    content: Content,
    expires: datetime,
    at: datetime,
    *,
    others: Sequence[NotificationId],
) -> Delivery:
    delivery_id: UUID = new_uuid7_at(at)
    return Delivery(
        delivery_id=delivery_id,
        user_id=push.user_id,
        notification_id=push.notification_id,
        installation_id=device.installation_id,
        platform=device.platform,
        type=push.type,
        lane=push.kind.lane,
        actor_id=push.actor_id,
        params=push.params,
        fold_key=push.fold_key,
        content=content,
        create_time=at,
        due_time=at,
        expire_time=expires,
        check_time=at,
        traceparent=tracing.onward(),
        folded=others,
    )
