"""The sending side put together: planner, queue, sender, and what they stand on. `app` starts and stops it with the rest."""

import math
from datetime import timedelta

from firewalker.kernel.clock import Clock
from firewalker.notification.config import NotificationConfig
from firewalker.notification.fcm.breakers import Breakers
from firewalker.notification.fcm.client import FcmClient
from firewalker.notification.fcm.credentials import CredentialsFile
from firewalker.notification.fcm.pace import Pace
from firewalker.notification.measures import Measures
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
from firewalker.notification.usecases.ports import Rechecks, Sessions
from firewalker.notification.usecases.queue import Queue
from firewalker.notification.usecases.taking_back import TakingBack
from firewalker.runtime.chores import Chore
from firewalker.runtime.mysql import Database
from firewalker.runtime.process import Part

_PUSHES_KEPT = timedelta(days=14)
"""Caps look back a day and dedupe keys name one; the rest is for people who ask what became of a push."""


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
        sessions: Sessions,
        planner: Planner,
        devices: Devices,
    ) -> None:
        pushes, deliveries, device_store = Pushes(), Deliveries(), device_rows.Devices()
        notifications, recipients = Notifications(), Recipients()
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
        measures = Measures(backlog, clock)
        self.sender = Sender(
            Queue(
                database,
                clock,
                deliveries=deliveries,
                devices=device_store,
                notifications=notifications,
                taking_back=TakingBack(database, clock, recipients=recipients, pushes=pushes, deliveries=deliveries),
                recipients=recipients,
                rechecks=rechecks,
                sessions=sessions,
                lease_s=lease_s,
            ),
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
            notifications=notifications,
            recipients=recipients,
            rechecks=rechecks,
            wake=self.sender.wake,
            crowded=measures.crowded,
            locale=config.locale,
            lease_s=lease_s,
        )
        planner.attach(planning)
        hourly = timedelta(hours=1)
        self.parts: list[Part] = [
            self.sender,
            planner,
            measures,
            Chore("forget pushes", hourly, lambda: planning.forget_old(clock.now() - _PUSHES_KEPT)),
            Chore("forget dead deliveries", hourly, backlog.forget_dead),
            Chore("forget prunes", hourly, devices.forget_pruned),
        ]
