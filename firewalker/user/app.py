"""The user service put together."""

from datetime import timedelta
from pathlib import Path

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.runtime.chores import Chore
from firewalker.runtime.config import ConfigError, read_key
from firewalker.runtime.ground import open_ground
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.credentials import read_service_token
from firewalker.runtime.grpc.event_sink import RemoteSink
from firewalker.runtime.grpc.personal_data import RemotePersonalData
from firewalker.runtime.outbox import Outbox, Relay
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.process import App
from firewalker.runtime.revocation import RevocationFeed, ViewFilling
from firewalker.runtime.watched_file import WatchedFile
from firewalker.user.config import UserConfig, read_key_ring
from firewalker.user.domain.mail_secret import MailKeys
from firewalker.user.domain.refresh_token import RefreshKeys
from firewalker.user.events import OutboxFacts
from firewalker.user.mail_folder import MailFolder
from firewalker.user.passwords import Bounds, Cost, PasswordLane
from firewalker.user.post import Post
from firewalker.user.rpc.auth import AuthDoor
from firewalker.user.rpc.friends import FriendDoor
from firewalker.user.rpc.session_check import SessionCheckDoor
from firewalker.user.rpc.users import UserDoor
from firewalker.user.smtp import SmtpSender
from firewalker.user.store import accounts as account_rows
from firewalker.user.store import mails as mail_rows
from firewalker.user.store import sessions as session_rows
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.limits import Limits
from firewalker.user.store.mail_tokens import MailTokens
from firewalker.user.store.personal import TABLES as PERSONAL
from firewalker.user.store.users import Users
from firewalker.user.throttles import Throttles
from firewalker.user.tokens import AccessTokenSigner
from firewalker.user.usecases.accounts import Accounts
from firewalker.user.usecases.confirmation import Confirmation
from firewalker.user.usecases.deletions import Deletions, PairErasure
from firewalker.user.usecases.email_changes import EmailChanges
from firewalker.user.usecases.ended_sessions import EndedSessions
from firewalker.user.usecases.exports import Exports
from firewalker.user.usecases.friend_requests import FriendRequests
from firewalker.user.usecases.friends import Friends
from firewalker.user.usecases.mails import Mails
from firewalker.user.usecases.own_sessions import OwnSessions
from firewalker.user.usecases.password_changes import PasswordChanges
from firewalker.user.usecases.ports import Sender
from firewalker.user.usecases.profiles import Profiles
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
        "step": InternalChannel(config.step_address, service_token),
        "notification": InternalChannel(config.notification_address, service_token),
    }
    for channel in channels.values():
        ground.resources.callback(channel.close)

    account_store, users, session_store = account_rows.Accounts(), Users(), session_rows.Sessions()
    friendships, limits = Friendships(), Limits()
    outbox = Outbox(*channels)
    facts = OutboxFacts(outbox)
    relay = Relay(database, {name: RemoteSink(channel) for name, channel in channels.items()}, outbox)
    ended = EndedSessions(database, session_store)
    ground.settle_doubts_by(ended)
    feed = RevocationFeed(config.redis_url.get_secret_value(), ended.since, view=ground.revocations, clock=clock)
    filling = ViewFilling(ground.revocations, ended.since, clock=clock)
    roots = read_key_ring(config.refresh_key_file)
    mail_keys, mail_tokens = MailKeys(roots), MailTokens()
    mails = Mails(
        database=database,
        accounts=account_store,
        users=users,
        mails=mail_rows.Mails(),
        tokens=mail_tokens,
        keys=mail_keys,
        link_url=config.link_url,
        clock=clock,
    )
    post = Post(mails, _sender(config, clock))
    throttles = Throttles(ground.limits, read_key(config.page_key_file))
    accounts = Accounts(
        database=database,
        accounts=account_store,
        users=users,
        limits=limits,
        sessions=session_store,
        passwords=passwords,
        keys=keys,
        mails=mails,
        throttles=throttles,
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
        throttles=throttles,
        facts=facts,
        clock=clock,
    )
    own_sessions = OwnSessions(
        database=database, accounts=account_store, sessions=session_store, revocations=feed, clock=clock
    )
    confirmation = Confirmation(database=database, accounts=account_store, passwords=passwords, throttles=throttles)
    password_changes = PasswordChanges(
        database=database,
        accounts=account_store,
        users=users,
        sessions=session_store,
        passwords=passwords,
        tokens=mail_tokens,
        keys=mail_keys,
        mails=mails,
        confirmation=confirmation,
        throttles=throttles,
        revocations=feed,
        facts=facts,
        clock=clock,
    )
    email_changes = EmailChanges(
        database=database,
        accounts=account_store,
        tokens=mail_tokens,
        keys=mail_keys,
        mails=mails,
        confirmation=confirmation,
        facts=facts,
        clock=clock,
    )
    pairs = PairErasure(database=database, friendships=friendships, limits=limits)
    erasure = Erasure(database, PERSONAL, clock, first=pairs.erase)
    deletions = Deletions(
        database=database,
        accounts=account_store,
        users=users,
        sessions=session_store,
        confirmation=confirmation,
        erasure=erasure,
        revocations=feed,
        facts=facts,
        clock=clock,
    )
    exports = Exports(database, PERSONAL, [RemotePersonalData(channel) for channel in channels.values()])
    forget_mails = Chore("forget mails", timedelta(hours=1), mails.forget)
    requests = FriendRequests(
        database=database, friendships=friendships, limits=limits, users=users, facts=facts, clock=clock
    )
    return ground.app(
        config,
        public=[
            AuthDoor(
                accounts=accounts,
                sessions=sessions,
                own_sessions=own_sessions,
                passwords=password_changes,
                emails=email_changes,
                signer=signer,
                keys=ground.keys,
                clock=clock,
            ),
            UserDoor(Profiles(database=database, users=users), deletions, exports),
            FriendDoor(requests, Friends(database=database, friendships=friendships), page_tokens),
        ],
        internal=[SessionCheckDoor(ended)],
        parts=[
            WatchedFile(config.access_token_key_file, signer.load),
            feed,
            filling,
            relay,
            post,
            erasure,
            forget_mails,
        ],
    )


def _sender(config: UserConfig, clock: Clock) -> Sender:
    """What mails are sent with."""
    if config.mail_url is not None:
        try:
            return SmtpSender.of(config.mail_url.get_secret_value(), config.mail_from, clock)
        except ValueError as error:
            raise ConfigError(f"FIREWALKER_USER_MAIL_URL: {error}") from None
    return MailFolder(config.mail_folder or Path(), config.mail_from, clock)
