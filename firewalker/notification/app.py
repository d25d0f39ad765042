"""The notification service put together."""

from datetime import timedelta

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.kernel.ids import UserId
from firewalker.notification.config import NotificationConfig
from firewalker.notification.database_clock import DatabaseClock
from firewalker.notification.fcm.credentials import CredentialsFile
from firewalker.notification.live import WatchedInboxes
from firewalker.notification.planner import Planner
from firewalker.notification.pushing import Pushing
from firewalker.notification.rechecks import RemoteRechecks
from firewalker.notification.rpc.devices import DeviceDoor
from firewalker.notification.rpc.event_sink import EventSinkDoor
from firewalker.notification.rpc.notifications import NotificationDoor
from firewalker.notification.sessions import EndedSessions
from firewalker.notification.store import devices as device_rows
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.notifications import Notifications
from firewalker.notification.store.personal import TABLES
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.devices import Devices
from firewalker.notification.usecases.inbox import Inbox
from firewalker.notification.usecases.news import News
from firewalker.notification.usecases.taking_back import TakingBack
from firewalker.notification.usecases.wishes import Wishes
from firewalker.runtime.chores import Chore
from firewalker.runtime.config import read_key
from firewalker.runtime.ground import open_ground
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.credentials import read_service_token
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.process import App, Part
from firewalker.runtime.services.personal_data import PersonalDataDoor
from firewalker.runtime.services.session_truth import RemoteSessionTruth


async def build(config: NotificationConfig, clock: Clock | None = None) -> App:
    """Open what is needed and connect the rooms."""
    ground = await open_ground(config, clock or SystemClock())
    database = ground.database
    shared = DatabaseClock(database, SystemClock())
    clock = clock or shared
    service_token = read_service_token(config.service_token_file)
    user, step = (
        InternalChannel(address, service_token, ca_file=config.tls_ca_file)
        for address in (config.user_address, config.step_address)
    )
    for channel in (user, step):
        ground.resources.callback(channel.close)
    doubts = ground.settle_doubts_by(RemoteSessionTruth(user))
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
    taking_back = TakingBack(database, clock, recipients=recipients, pushes=pushes, deliveries=deliveries)

    async def forget_about(gone: UserId) -> None:
        await taking_back.take_back_all(gone)
        await inbox.forget_about(gone)

    erasure = Erasure(database, TABLES, clock, first=forget_about)
    planner = Planner()
    news = News(
        database,
        clock,
        recipients=recipients,
        notifications=notifications,
        pushes=pushes,
        deliveries=deliveries,
        devices=device_store,
        taking_back=taking_back,
        announce=watched.announce,
        wake=planner.wake,
        ended=ground.revocations.learn,
        pushing=config.fcm_credentials is not None,
    )
    wishes = Wishes(
        database,
        clock,
        recipients=recipients,
        pushes=pushes,
        deliveries=deliveries,
        wake=planner.wake,
        locale=config.locale,
    )
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
        Chore("forget ended sessions", hourly, devices.forget_ended),
    ]
    parts: list[Part] = [shared, watched, *chores]
    if config.fcm_credentials is not None:
        pushing = Pushing(
            config,
            CredentialsFile(config.fcm_credentials),
            database,
            clock,
            rechecks=RemoteRechecks(user, step),
            sessions=EndedSessions(ground.revocations, doubts, clock),
            planner=planner,
            devices=devices,
        )
        ground.resources.push_async_callback(pushing.client.close)
        parts += pushing.parts
    return ground.app(
        config,
        public=[
            NotificationDoor(inbox, watched, wishes, PageTokens(read_key(config.page_key_file))),
            DeviceDoor(devices),
        ],
        internal=[EventSinkDoor(news, erasure), PersonalDataDoor(database, TABLES)],
        parts=[*parts, erasure],
    )
