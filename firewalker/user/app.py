"""The user service put together."""

from datetime import timedelta

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.runtime.chores import Chore
from firewalker.runtime.config import read_key
from firewalker.runtime.ground import open_ground
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.credentials import read_service_token
from firewalker.runtime.grpc.event_sink import RemoteSink
from firewalker.runtime.outbox import Outbox, Relay
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.process import App
from firewalker.runtime.revocation import RevocationFeed, ViewFilling
from firewalker.user.config import UserConfig, read_key_ring
from firewalker.user.domain.refresh_token import RefreshKeys
from firewalker.user.events import OutboxFacts
from firewalker.user.links import Links
from firewalker.user.passwords import Bounds, Cost, PasswordLane
from firewalker.user.rpc.auth import AuthDoor
from firewalker.user.rpc.event_sink import EventSinkDoor
from firewalker.user.session_facts import ToldSessions
from firewalker.user.social_part import SocialPart
from firewalker.user.store import accounts as account_rows
from firewalker.user.store.limits import Limits
from firewalker.user.store.users import Users
from firewalker.user.tokens import AccessTokenSigner
from firewalker.user.usecases.accounts import Accounts
from firewalker.user.usecases.ended_sessions import EndedSessions
from firewalker.user.usecases.goals import Goals
from firewalker.user.usecases.sessions import Sessions


async def build(config: UserConfig, clock: Clock | None = None) -> App:
    """Open what is needed and connect the rooms."""
    clock = clock or SystemClock()
    signer = AccessTokenSigner.from_file(config.access_token_key_file)
    keys = RefreshKeys(read_key_ring(config.refresh_key_file))
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

    outbox = Outbox(*channels)
    account_store, users, session_store = account_rows.Accounts(), Users(), ToldSessions(outbox)
    limits = Limits()
    facts = OutboxFacts(outbox)
    relay = Relay(database, {name: RemoteSink(channel) for name, channel in channels.items()}, outbox)
    ended = EndedSessions(database, session_store).since
    feed = RevocationFeed(config.redis_url.get_secret_value(), ended, view=ground.revocations, clock=clock)
    filling = ViewFilling(ground.revocations, ended, clock=clock)
    accounts = Accounts(
        database=database,
        accounts=account_store,
        users=users,
        limits=limits,
        sessions=session_store,
        passwords=passwords,
        keys=keys,
        facts=facts,
        clock=clock,
    )
    sessions = Sessions(
        database=database,
        accounts=account_store,
        users=users,
        sessions=session_store,
        passwords=passwords,
        keys=keys,
        revocations=feed,
        clock=clock,
    )
    social = SocialPart(
        database=database,
        users=users,
        limits=limits,
        facts=facts,
        links=Links(config.invite_link),
        page_tokens=page_tokens,
        clock=clock,
    )
    goals = Goals(database=database, users=users)
    # A relay repeats a delivery within minutes; what was seen a month ago does not come again.
    forget = Chore(
        "forget deliveries", timedelta(hours=1), lambda: goals.forget_deliveries(clock.now() - timedelta(days=30))
    )
    return ground.app(
        config,
        public=[
            AuthDoor(accounts, sessions, signer, clock),
            *social.doors,
        ],
        internal=[EventSinkDoor(goals), social.social_graph],
        parts=[feed, filling, *social.chores, forget, relay],
    )
