"""What the notification service makes of the day: inbox rows, and pushes after preferences, folding, caps and quiet hours.

The events go through an outbox and its lane, as a relay takes them, to the service's own use cases. Nobody reads their inbox
before a push is due, and what a push says always still holds: more are pushed than would be.
"""

import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from time import process_time

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.ids import EventId, SessionId
from firewalker.local.servers import PrivateServers
from firewalker.notification.domain.device import Device, Platform, Registration, Target
from firewalker.notification.domain.facts import Fact, Lives
from firewalker.notification.domain.preferences import Locale
from firewalker.notification.domain.push import Verdict
from firewalker.notification.rpc.event_meanings import fact_of
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.devices import Devices
from firewalker.notification.store.notifications import Notifications
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.news import News
from firewalker.notification.usecases.planning import Planning
from firewalker.notification.usecases.ports import Told
from firewalker.notification.usecases.taking_back import TakingBack
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, OutboxEvent
from firewalker.runtime.outbox.lane import Lane, Row
from tests.bench.ten_million.people import Crowd, Walker, seeded_id
from tests.bench.ten_million.stored import TableSize, chunks, migrated, sizes
from tests.support.clock import FakeClock

PUSHED = 100
"""Walkers who are pushed to: planning a push takes some ten statements."""

STEP = timedelta(minutes=15)
"""How often the simulated service looks."""


@dataclass
class Telling:
    """What was found."""

    tables: list[TableSize] = field(default_factory=list)
    events: int = 0
    taking_s: float = 0.0
    """Wall time of delivering so many events in full batches, one after the other, as each lane does."""
    taking_cpu_s: float = 0.0
    """Processor of that in the service."""
    told: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Inbox rows by type and part of the sample."""
    pushed_to: list[Walker] = field(default_factory=list)
    pushes: Counter[int] = field(default_factory=Counter)
    """Messages to devices, by the walker's number."""
    planned: int = 0
    planning_cpu_s: float = 0.0


class _Holds:
    """Says of everything that it still holds."""

    async def verdicts(self, told: Sequence[Told], /) -> Sequence[Verdict]:
        """One for each."""
        return [Verdict.HOLDS] * len(told)


class Service:
    """The use cases of the notification service, over one database and a clock that is moved."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        recipients, notifications, pushes = Recipients(), Notifications(), Pushes()
        deliveries, devices = Deliveries(), Devices()
        taking_back = TakingBack(database, clock, recipients=recipients, pushes=pushes, deliveries=deliveries)
        self.news = News(
            database, clock, recipients=recipients, notifications=notifications, pushes=pushes, deliveries=deliveries,
            devices=devices, taking_back=taking_back, announce=lambda _: None, wake=lambda: None, ended=lambda _: None,
            pushing=True,
        )  # fmt: skip
        self.planning = Planning(
            database, clock, pushes=pushes, deliveries=deliveries, devices=devices, notifications=notifications,
            recipients=recipients, rechecks=_Holds(), wake=lambda: None, crowded=lambda: False, locale=Locale.KO,
            lease_s=60,
        )  # fmt: skip
        self.devices = devices


async def tell(servers: PrivateServers, crowd: Crowd, events: Sequence[OutboxEvent]) -> Telling:
    """Tell the crowd of *events*: as the day went, to those who are pushed to; then all at once, as fast as it goes."""
    telling = Telling()
    ordered = sorted(events, key=lambda event: event.create_time)
    clock = FakeClock(ordered[0].create_time)
    having = [walker for walker in crowd.walkers if walker.has_phone]
    telling.pushed_to = having[:PUSHED]
    async with _open(servers, clock) as (url, database, service, delivery):
        await _settle_in(service, database, crowd, telling.pushed_to, clock)
        waiting, last = deque(ordered), ordered[-1].create_time + timedelta(hours=12)
        while clock.now() < last:
            clock.advance(STEP)
            due = []
            while waiting and waiting[0].create_time <= clock.now():
                due.append(waiting.popleft())
            await delivery.take(due)
            began = process_time()
            while planned := await service.planning.work():
                telling.planned += planned
            telling.planning_cpu_s += process_time() - began
        telling.tables = await sizes(url, ["notification", "push", "delivery", "event_seen"])
        await _count(database, crowd, telling)
    clock = FakeClock(ordered[0].create_time)
    async with _open(servers, clock) as (_, database, service, delivery):
        await _settle_in(service, database, crowd, having, clock)
        await delivery.write(ordered)
        began, used = time.monotonic(), process_time()
        await delivery.take(())
        telling.taking_s, telling.taking_cpu_s = time.monotonic() - began, process_time() - used
        telling.events = len(ordered)
    return telling


class Delivery:
    """The outbox of the step service and its lane, in a database of its own, emptied into the notification service."""

    def __init__(self, database: Database, service: Service) -> None:
        self._database = database
        self._service = service
        self._outbox = Outbox("notification")
        self._lane = Lane(database, "notification")

    async def write(self, events: Sequence[OutboxEvent]) -> None:
        """Write *events* down, in their order."""
        await self._lane.prepare()
        for some in chunks(events):
            async with self._database.transaction() as tx:
                await self._outbox.append(tx, some)

    async def take(self, events: Sequence[OutboxEvent]) -> None:
        """Write *events* down, and deliver what waits, a batch after the other, as the relay does."""
        await self.write(events)
        delivered: Sequence[Row] = ()
        while (taken := await self._lane.take(delivered)) is not None and taken.rows:
            facts = [fact_of(pb.Event.parse(row.payload)) for row in taken.rows]
            await self._service.news.take([fact for fact in facts if fact is not None])
            delivered = taken.rows


@asynccontextmanager
async def _open(servers: PrivateServers, clock: FakeClock) -> AsyncIterator[tuple[str, Database, Service, Delivery]]:
    async with migrated(servers, "notification") as (url, database), migrated(servers, "step") as (_, step):
        service = Service(database, clock)
        yield url, database, service, Delivery(step, service)


async def _settle_in(
    service: Service, database: Database, crowd: Crowd, having: Sequence[Walker], clock: FakeClock
) -> None:
    """Where everybody lives is known, and those *having* a device have registered it."""
    random = Random(4)
    lives = [
        Fact(EventId(seeded_id(clock.now(), random)), [Lives(walker.user, walker.habit.zone.key, clock.now())])
        for walker in crowd.walkers
    ]
    for some in chunks(lives, 100):
        await service.news.take(some)
    for walkers in chunks(having, 100):
        async with database.transaction() as tx:
            for walker in walkers:
                await service.devices.save(
                    tx,
                    Device(
                        str(seeded_id(clock.now(), random)), walker.user, SessionId(seeded_id(clock.now(), random)),
                        Platform.ANDROID, Registration(Target.TOKEN, random.randbytes(80).hex()),
                        seeded_id(clock.now(), random), "1.0.0", "ko-KR", clock.now(), clock.now(),
                    ),
                )  # fmt: skip


async def _count(database: Database, crowd: Crowd, telling: Telling) -> None:
    walkers = {walker.user.bytes: walker for walker in crowd.walkers}
    async with database.reading() as tx:
        for user, kind, rows in await tx.all("SELECT user_id, type, COUNT(*) FROM notification GROUP BY user_id, type"):
            telling.told[kind, walkers[user].part] += rows
        for user, rows in await tx.all("SELECT user_id, COUNT(*) FROM delivery GROUP BY user_id"):
            telling.pushes[walkers[user].number] += rows
