"""The sending side put together: planner, queue, sender, and what they stand on. `app` starts and stops it with the rest."""

import asyncio
import math
from contextlib import suppress
from datetime import timedelta

from prometheus_client import Gauge

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Fault
from firewalker.notification.config import NotificationConfig
from firewalker.notification.domain.notification import Lane
from firewalker.notification.fcm.breakers import Breakers
from firewalker.notification.fcm.client import FcmClient
from firewalker.notification.fcm.credentials import CredentialsFile
from firewalker.notification.fcm.pace import Pace
from firewalker.notification.planner import Planner
from firewalker.notification.pruning import Pruner
from firewalker.notification.sender import Sender
from firewalker.notification.store import devices as device_rows
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.notifications import Notifications
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.backlog import Backlog
from firewalker.notification.usecases.devices import Devices
from firewalker.notification.usecases.planning import Planning
from firewalker.notification.usecases.ports import Rechecks
from firewalker.notification.usecases.queue import Queue
from firewalker.runtime.chores import Chore
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database
from firewalker.runtime.process import Part
from firewalker.runtime.tasks import begin, end

_MEASURE_S = 10.0

_PUSHES_KEPT = timedelta(days=14)
"""Caps look back a day and dedupe keys name one; the rest is for people who ask what became of a push."""

_WAITING = Gauge("firewalker_push_queue_due", "What is due, by stage and lane.", ["stage", "lane"], registry=REGISTRY)
_AGE = Gauge(
    "firewalker_push_queue_age_seconds", "How long the first that is due waits.", ["stage", "lane"], registry=REGISTRY
)


class Pushing:
    """Everything between an inbox and FCM. Parts in `parts`, in the order of their start."""

    def __init__(
        self,
        config: NotificationConfig,
        credentials: CredentialsFile,
        database: Database,
        clock: Clock,
        *,
        rechecks: Rechecks,
        planner: Planner,
        devices: Devices,
    ) -> None:
        pushes, deliveries, device_store = Pushes(), Deliveries(), device_rows.Devices()
        self.client = FcmClient(
            credentials,
            clock,
            base_url=config.fcm_base_url,
            ca_file=config.fcm_ca_file,
            most_in_flight=config.fcm_in_flight,
            answer_s=config.fcm_answer_s,
        )
        lease_s = math.ceil(2 * config.fcm_answer_s)
        backlog = Backlog(database, clock, deliveries=deliveries, pushes=pushes)
        self.sender = Sender(
            Queue(database, clock, deliveries=deliveries, devices=device_store, rechecks=rechecks, lease_s=lease_s),
            self.client,
            Pruner(devices, clock),
            clock,
            pace=Pace(clock, fastest=config.fcm_a_second, ramp_s=config.fcm_ramp_s),
            breakers=Breakers(clock),
            most_in_flight=config.fcm_in_flight,
        )
        planning = Planning(
            database,
            clock,
            pushes=pushes,
            deliveries=deliveries,
            devices=device_store,
            notifications=Notifications(),
            recipients=Recipients(),
            rechecks=rechecks,
            wake=self.sender.wake,
            locale=config.locale,
            lease_s=lease_s,
        )
        planner.attach(planning)
        hourly = timedelta(hours=1)
        self.parts: list[Part] = [
            self.sender,
            planner,
            _Measures(backlog, clock),
            Chore("forget pushes", hourly, lambda: planning.forget_old(clock.now() - _PUSHES_KEPT)),
            Chore("forget dead deliveries", hourly, backlog.forget_dead),
            Chore("forget prunes", hourly, devices.forget_pruned),
        ]


class _Measures:
    """Tells how far behind the queues are."""

    def __init__(self, backlog: Backlog, clock: Clock) -> None:
        self._backlog = backlog
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = begin(self._run(), "push queue measures")

    async def stop(self) -> None:
        await end([self._task])

    async def _run(self) -> None:
        while True:
            with suppress(Fault):
                for stage, found in (
                    ("plan", await self._backlog.of_pushes()),
                    ("send", await self._backlog.of_deliveries()),
                ):
                    for lane in Lane:
                        number, oldest = found.get(lane, (0, None))
                        age = (self._clock.now() - oldest).total_seconds() if oldest else 0
                        _WAITING.labels(stage, lane.name.lower()).set(number)
                        _AGE.labels(stage, lane.name.lower()).set(max(0, age))
            await asyncio.sleep(_MEASURE_S)
