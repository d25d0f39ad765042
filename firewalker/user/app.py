"""The user service put together."""

from datetime import timedelta

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.runtime.chores import Chore
from firewalker.runtime.config import read_key
from firewalker.runtime.ground import open_ground
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.credentials import read_service_token
from firewalker.runtime.outbox import Outbox, Relay
from firewalker.runtime.outbox.set_aside import SetAside
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.process import App
from firewalker.runtime.services import told_people
from firewalker.runtime.services.event_sink import RemoteSink
from firewalker.runtime.services.personal_data import RemotePersonalData
from firewalker.user.account_part import AccountPart
from firewalker.user.avatar_part import AvatarPart
from firewalker.user.config import UserConfig
from firewalker.user.events import OutboxFacts
from firewalker.user.links import Links
from firewalker.user.passwords import Bounds, Cost, PasswordLane
from firewalker.user.rpc.event_sink import EventSinkDoor
from firewalker.user.rpc.users import UserDoor
from firewalker.user.session_facts import ToldSessions
from firewalker.user.social_part import SocialPart
from firewalker.user.store.limits import Limits
from firewalker.user.store.users import Users
from firewalker.user.usecases.goals import Goals


async def build(config: UserConfig, clock: Clock | None = None) -> App:
    """Open what is needed and connect the rooms."""
    clock = clock or SystemClock()
    page_tokens = PageTokens(read_key(config.page_key_file))
    service_token = read_service_token(config.service_token_file)

    ground = await open_ground(config, clock)
    database = ground.database
    passwords = PasswordLane(
        Cost(memory_kib=config.password_memory_kib, passes=config.password_passes),
        Bounds(queue=config.password_queue),
    )
    ground.resources.callback(passwords.close)
    channels = {
        "step": InternalChannel(config.step_address, service_token, ca_file=config.tls_ca_file),
        "notification": InternalChannel(config.notification_address, service_token, ca_file=config.tls_ca_file),
    }
    for channel in channels.values():
        ground.resources.callback(channel.close)

    users, limits = Users(), Limits()
    outbox = Outbox(*channels)
    facts = OutboxFacts(outbox)
    sinks = {name: RemoteSink(channel) for name, channel in channels.items()}
    # Not split: an end of a friendship is about two people, and of a deletion everybody of whom something was told has to
    # hear last. There are few such facts, so one lane keeps all of them in order.
    relay = Relay(database, sinks, outbox)
    social = SocialPart(
        database=database,
        users=users,
        limits=limits,
        facts=facts,
        links=Links(config.invite_link),
        page_tokens=page_tokens,
        clock=clock,
    )
    avatars = AvatarPart(config, database=database, users=users, facts=facts, clock=clock)
    accounts = AccountPart(
        config,
        ground,
        users=users,
        limits=limits,
        sessions=ToldSessions(outbox),
        facts=facts,
        social=social,
        avatars=avatars.avatars,
        passwords=passwords,
        others=[RemotePersonalData(channel) for channel in channels.values()],
        notification=sinks["notification"],
        clock=clock,
    )
    user_door = UserDoor(
        profiles=social.profiles,
        deletions=accounts.deletions,
        exports=accounts.exports,
        avatars=avatars.calls,
        page_tokens=page_tokens,
        clock=clock,
    )
    kept = timedelta(days=config.set_aside_days)
    set_aside = SetAside(database, channels, told_people, clock, kept=kept)
    goals = Goals(database=database, users=users)
    # A relay repeats a delivery within minutes; what was seen a month ago does not come again.
    forget = Chore(
        "forget deliveries", timedelta(hours=1), lambda: goals.forget_deliveries(clock.now() - timedelta(days=30))
    )
    return ground.app(
        config,
        public=[accounts.door, user_door, *social.doors],
        internal=[EventSinkDoor(goals), social.social_graph, accounts.session_check],
        parts=[
            *accounts.parts,
            *avatars.parts,
            *social.chores,
            forget,
            Chore("sift what was set aside", timedelta(hours=1), set_aside.work),
            relay,
        ],
    )
