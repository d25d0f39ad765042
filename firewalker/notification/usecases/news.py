"""Taking in what other services tell: inbox rows and pushes, or their end, in one transaction with the note of the event."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import EventId, UserId
from firewalker.notification.domain.facts import Apart, Closed, Erased, Fact, Happened, Left, Lives, Meaning, Withdrawn
from firewalker.notification.domain.notification import Notification, Type, key_of
from firewalker.notification.domain.preferences import Channel, Recipient
from firewalker.notification.domain.push import Push
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.devices import Devices
from firewalker.notification.store.notifications import Notifications
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.ports import Announce, Wake
from firewalker.notification.usecases.taking_back import TakingBack
from firewalker.runtime.inbox import first_time, forget
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.runtime.personal_data import tombstones
from firewalker.runtime.revocation import Revocation


class News:
    """What happens to inboxes because of what happens elsewhere."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        recipients: Recipients,
        notifications: Notifications,
        pushes: Pushes,
        deliveries: Deliveries,
        devices: Devices,
        taking_back: TakingBack,
        announce: Announce,
        wake: Wake,
        ended: Callable[[Iterable[Revocation]], None],
        pushing: bool,
    ) -> None:
        """*ended* hears of sessions whose devices are detached. *pushing*: whether anything is pushed at all."""
        self._db = database
        self._clock = clock
        self._recipients = recipients
        self._notifications = notifications
        self._pushes = pushes
        self._deliveries = deliveries
        self._devices = devices
        self._taking_back = taking_back
        self._announce = announce
        self._wake = wake
        self._ended = ended
        self._pushing = pushing

    async def take(self, facts: Sequence[Fact]) -> None:
        """Take *facts* in, in their order, all or none. Those taken in before change nothing; durable when this returns."""
        if not facts:
            return
        if touched := await self._take(facts):
            self._announce(touched)
            self._wake()
        # What was taken from the queue before that, and is on its way to FCM, is withheld.
        left = [meaning for fact in facts for meaning in fact.meanings if isinstance(meaning, Left)]
        self._ended([Revocation(session_id=m.session_id, time=m.at) for m in left])

    @retried(idempotent=True)
    async def forget_events(self, before: datetime) -> int:
        """Forget which events were taken in before that time, some of them, and tell how many: 0 when none is left."""
        async with self._db.transaction() as tx:
            return await forget(tx, before)

    @retried(idempotent=True)
    async def _take(self, facts: Sequence[Fact]) -> set[UserId]:
        """Whose inbox has changed."""
        touched: set[UserId] = set()
        async with self._db.transaction() as tx:
            new = await first_time(tx, [fact.event_id for fact in facts])
            meanings = [meaning for fact in facts if fact.event_id in new for meaning in fact.meanings]
            # All of them at once, in the order of the key, before anything else: no two batches wait for each other.
            users = {user for meaning in meanings for user in _locked(meaning) | await self._reached(tx, meaning)}
            known = await self._recipients.lock(tx, users)
            causes = {fact.event_id: fact.traceparent for fact in facts}
            told: list[Notification] = []
            for meaning in meanings:
                if isinstance(meaning, Happened):
                    told += meaning.notifications
                    continue
                touched |= await self._tell(tx, told, known, causes)
                told = []
                touched |= await self._apply(tx, meaning, known)
            touched |= await self._tell(tx, told, known, causes)
        return touched

    async def _tell(
        self,
        tx: Transaction,
        told: Sequence[Notification],
        known: dict[UserId, Recipient],
        causes: Mapping[EventId, str],
    ) -> set[UserId]:
        """Put notifications into the inboxes, and those that are to be pushed into the queue, with the traces of their causes."""
        actors = {n.actor_id for n in told if n.actor_id is not None}
        gone = await tombstones.list_among(tx, actors) if actors else set()
        wanted = [
            n
            for n in told
            if not known[n.user_id].erased
            and n.actor_id not in gone
            and known[n.user_id].preferences.channel(n.type) is not Channel.OFF
        ]
        taken = await self._notifications.list_taken(tx, [(n.user_id, n.dedupe_key) for n in wanted if n.dedupe_key])
        fresh = []
        for n in wanted:
            if n.dedupe_key is not None:
                if (n.user_id, n.dedupe_key) in taken:
                    continue
                taken.add((n.user_id, n.dedupe_key))
            fresh.append(n)
        if not fresh:
            return set()
        revisions = await self._recipients.advance(tx, {n.user_id for n in fresh})
        await self._notifications.add(tx, [replace(n, revision=revisions[n.user_id]) for n in fresh])
        at = moment(self._clock)
        with_devices = await self._devices.list_users(tx, {n.user_id for n in fresh}) if self._pushing else set()
        pushes = [
            Push.of(n, known[n.user_id].may_be_pushed_at(n.type, at), causes.get(EventId(n.notification_id), ""))
            for n in fresh
            if n.user_id in with_devices and known[n.user_id].preferences.channel(n.type) is Channel.PUSH
        ]
        await self._pushes.add(tx, [push for push in pushes if push.due_time < push.expire_time])
        return set(revisions)

    async def _apply(self, tx: Transaction, meaning: Meaning, known: dict[UserId, Recipient]) -> set[UserId]:
        match meaning:
            case Lives(user_id=user, time_zone=zone, at=at):
                if not known[user].erased:
                    await self._move(tx, user, zone, at, known)
            case Withdrawn(user_id=user, actor_id=actor, type=kind, in_inbox=kept):
                await self._pushes.drop_of(tx, user, actor, kind)
                await self._taking_back.take_back(tx, [user], actor, kind=kind)
                if not kept and await self._notifications.delete_of(tx, user, actor, kind):
                    return set(await self._recipients.advance(tx, [user]))
            case Closed():
                return await self._close(tx, meaning)
            case Apart():
                return await self._part(tx, meaning)
            case Left(user_id=user, session_id=session, installation_id=installation, at=at) if not known[user].erased:
                # What is queued for it finds no device when it is claimed.
                await self._devices.delete_left(tx, user, session, installation, at)
            case Erased():
                return await self._erase(tx, meaning, known)
        return set()

    async def _move(
        self, tx: Transaction, user: UserId, zone: str, at: datetime, known: dict[UserId, Recipient]
    ) -> None:
        """*user* lives elsewhere: quiet hours begin and end with the new clock, also for what waits already."""
        before = known[user]
        await self._recipients.save_zone(tx, user, zone, at)
        known[user] = (await self._recipients.list(tx, [user]))[user]
        if known[user].time_zone != before.time_zone:
            now = moment(self._clock)
            await self._pushes.review(tx, user, now)
            await self._deliveries.review(tx, user, now)

    async def _part(self, tx: Transaction, apart: Apart) -> set[UserId]:
        one, other = apart.one, apart.other
        await self._pushes.drop_between(tx, one, other)
        await self._taking_back.take_back(tx, [one], other)
        await self._taking_back.take_back(tx, [other], one)
        if not apart.hidden:
            await self._notifications.free_between(tx, one, other)
        elif await self._notifications.delete_between(tx, one, other):
            return set(await self._recipients.advance(tx, [one, other]))
        return set()

    async def _reached(self, tx: Transaction, meaning: Meaning) -> set[UserId]:
        """Who may be pushed something that *meaning* takes back, beside whom it names."""
        match meaning:
            case Closed():  # whoever managed the group when the request was made, too
                key = key_of(Type.GROUP_JOIN_REQUEST, meaning.group_id)
                return await self._pushes.list_told(tx, meaning.actor_id, key)
            case Erased(user_id=user):
                return await self._pushes.list_with_messages(tx, user)
        return set()

    async def _close(self, tx: Transaction, closed: Closed) -> set[UserId]:
        kind, told, asker = Type.GROUP_JOIN_REQUEST, closed.told, closed.actor_id
        together, key = key_of(kind, closed.group_id), key_of(kind, str(asker), closed.group_id)
        if asked := await self._reached(tx, closed):
            await self._pushes.drop_of_key(tx, asked, asker, together)
            await self._taking_back.take_back(tx, asked, asker, fold_key=together)
        if not told:
            return set()
        if closed.in_inbox:
            await self._notifications.free_of_key(tx, told, key)
            return set()
        return set(await self._recipients.advance(tx, await self._notifications.delete_of_key(tx, told, key)))

    async def _erase(self, tx: Transaction, erased: Erased, known: dict[UserId, Recipient]) -> set[UserId]:
        """Everything for the user, and what is on its way about them.

        In the inboxes of others it is shown no more, because of the tombstone, and goes in portions (`inbox`): there may be too
        much of it for one transaction.
        """
        user = erased.user_id
        await self._taking_back.take_back(tx, await self._reached(tx, erased), user)
        await self._notifications.delete_all(tx, user)
        await self._pushes.delete_all(tx, user)
        await self._deliveries.delete_all(tx, user)
        await self._devices.delete_all(tx, user)
        await self._recipients.erase(tx, user, moment(self._clock))
        known[user] = replace(known[user], erased=True)
        return {user}


def _locked(meaning: Meaning) -> set[UserId]:
    """Whose rows have to be locked for it."""
    match meaning:
        case Happened(notifications=told):
            return {n.user_id for n in told}
        case Apart(one=one, other=other):
            return {one, other}
        case Lives() | Withdrawn() | Left() | Erased():
            return {meaning.user_id}
        case Closed(told=users):
            return set(users)
