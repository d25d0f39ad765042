"""The notification service put together."""

from firewalker.kernel.clock import SystemClock
from firewalker.notification.config import NotificationConfig
from firewalker.notification.rpc.event_sink import EventSinkDoor
from firewalker.notification.rpc.notifications import NotificationDoor
from firewalker.notification.store.notifications import Notifications
from firewalker.notification.store.personal import TABLES
from firewalker.notification.usecases.inbox import Inbox
from firewalker.runtime.config import read_key
from firewalker.runtime.ground import open_ground
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.credentials import read_service_token
from firewalker.runtime.grpc.personal_data import PersonalDataDoor
from firewalker.runtime.grpc.session_truth import RemoteSessionTruth
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.process import App


async def build(config: NotificationConfig) -> App:
    """Open what is needed and connect the rooms."""
    ground = await open_ground(config, SystemClock())
    user = InternalChannel(config.user_address, read_service_token(config.service_token_file))
    ground.resources.callback(user.close)
    ground.settle_doubts_by(RemoteSessionTruth(user))
    erasure = Erasure(ground.database, TABLES, SystemClock())
    inbox = Inbox(ground.database, Notifications())
    return ground.app(
        config,
        public=[NotificationDoor(inbox, PageTokens(read_key(config.page_key_file)), config.locale)],
        internal=[EventSinkDoor(inbox, erasure), PersonalDataDoor(ground.database, TABLES)],
        parts=[erasure],
    )
