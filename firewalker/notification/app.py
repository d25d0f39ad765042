"""The notification service put together."""

from datetime import timedelta

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.notification.config import NotificationConfig
from firewalker.notification.live import WatchedInboxes
from firewalker.notification.rpc.devices import DeviceDoor
from firewalker.notification.rpc.event_sink import EventSinkDoor
from firewalker.notification.rpc.notifications import NotificationDoor
from firewalker.notification.store import devices as device_rows
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.notifications import Notifications
from firewalker.notification.store.personal import TABLES
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.devices import Devices
from firewalker.notification.usecases.inbox import Inbox
from firewalker.notification.usecases.news import News
from firewalker.notification.usecases.wishes import Wishes
from firewalker.runtime.chores import Chore
from firewalker.runtime.config import read_key
from firewalker.runtime.ground import open_ground
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.credentials import read_service_token
from firewalker.runtime.grpc.personal_data import PersonalDataDoor
from firewalker.runtime.grpc.session_truth import RemoteSessionTruth
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.process import App


async def build(config: NotificationConfig, clock: Clock | None = None) -> App:
    """Open what is needed and connect the rooms."""
    clock = clock or SystemClock()
    ground = await open_ground(config, clock)
    database = ground.database
    user = InternalChannel(
        config.user_address, read_service_token(config.service_token_file), ca_file=config.tls_ca_file
    )
    ground.resources.callback(user.close)
    ground.settle_doubts_by(RemoteSessionTruth(user))
    erasure = Erasure(database, TABLES, clock)
    recipients, notifications, pushes = Recipients(), Notifications(), Pushes()
    deliveries, device_store = Deliveries(), device_rows.Devices()
    watched = WatchedInboxes(config.redis_url.get_secret_value())
    inbox = Inbox(
        database,
        clock,
        notifications=notifications,
        recipients=recipients,
        announce=watched.announce,
        locale=config.locale,
    )
    watched.attach(inbox)

    def wake() -> None:
        return

    news = News(
        database,
        clock,
        recipients=recipients,
        notifications=notifications,
        pushes=pushes,
        deliveries=deliveries,
        devices=device_store,
        announce=watched.announce,
        wake=wake,
    )
    wishes = Wishes(database, clock, recipients=recipients, pushes=pushes, wake=wake, locale=config.locale)
    devices = Devices(
        database,
        clock,
        devices=device_store,
        deliveries=deliveries,
        recipients=recipients,
        unseen=timedelta(days=config.device_unseen_days),
    )
    hourly = timedelta(hours=1)
    chores = [
        Chore("forget events", hourly, lambda: news.forget_events(clock.now() - timedelta(days=30))),
        Chore("forget old notifications", hourly, inbox.forget_old),
        Chore("sweep devices", hourly, devices.sweep),
    ]
    return ground.app(
        config,
        public=[
            NotificationDoor(inbox, watched, wishes, PageTokens(read_key(config.page_key_file))),
            DeviceDoor(devices),
        ],
        internal=[EventSinkDoor(news, erasure), PersonalDataDoor(database, TABLES)],
        parts=[watched, erasure, *chores],
    )
