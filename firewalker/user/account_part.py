"""Accounts and sessions put together: signing in, mail, keys, deletion and export, and their doors. `app` puts it with the rest."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from firewalker.kernel.clock import Clock
from firewalker.runtime.chores import Chore
from firewalker.runtime.config import ConfigError, read_key
from firewalker.runtime.ground import Ground
from firewalker.runtime.outbox import EventSink
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.process import Part
from firewalker.runtime.revocation import RevocationFeed, ViewFilling
from firewalker.runtime.watched_file import WatchedFile
from firewalker.user.config import UserConfig, read_key_ring
from firewalker.user.domain.mail_secret import MailKeys
from firewalker.user.domain.refresh_token import RefreshKeys
from firewalker.user.endings import Endings
from firewalker.user.id_tokens import IdTokens, read_sources
from firewalker.user.mail_folder import MailFolder
from firewalker.user.passwords import PasswordLane
from firewalker.user.post import Post
from firewalker.user.rpc.auth import AuthDoor
from firewalker.user.rpc.session_check import SessionCheckDoor
from firewalker.user.smtp import SmtpSender
from firewalker.user.social_part import SocialPart
from firewalker.user.store import accounts as account_rows
from firewalker.user.store import mails as mail_rows
from firewalker.user.store.limits import Limits
from firewalker.user.store.mail_tokens import MailTokens
from firewalker.user.store.personal import TABLES
from firewalker.user.store.provider_logins import ProviderLogins as ProviderStore
from firewalker.user.store.sessions import Sessions as SessionStore
from firewalker.user.store.users import Users
from firewalker.user.throttles import Throttles
from firewalker.user.tokens import AccessTokenSigner
from firewalker.user.usecases.accounts import Accounts
from firewalker.user.usecases.avatars import Avatars
from firewalker.user.usecases.confirmation import Confirmation
from firewalker.user.usecases.deletions import Deletions, Farewell
from firewalker.user.usecases.email_changes import EmailChanges
from firewalker.user.usecases.ended_sessions import EndedSessions
from firewalker.user.usecases.exports import Exports, PersonalData
from firewalker.user.usecases.mails import Mails
from firewalker.user.usecases.own_sessions import OwnSessions
from firewalker.user.usecases.password_changes import PasswordChanges
from firewalker.user.usecases.ports import Facts, Sender
from firewalker.user.usecases.provider_logins import ProviderLogins
from firewalker.user.usecases.removal import Removal
from firewalker.user.usecases.sessions import Sessions


class AccountPart:
    """The side of the user service that knows who somebody is."""

    def __init__(
        self,
        config: UserConfig,
        ground: Ground,
        *,
        users: Users,
        limits: Limits,
        sessions: SessionStore,
        facts: Facts,
        social: SocialPart,
        avatars: Avatars,
        passwords: PasswordLane,
        others: Sequence[PersonalData],
        notification: EventSink,
        clock: Clock,
    ) -> None:
        """*others* are the other services' parts of an export; *notification* is told at once which sessions ended.

        Raises:
            ConfigError, OSError: A file or setting is not what it should be.
        """
        signer = AccessTokenSigner.from_file(config.access_token_key_file)
        roots = read_key_ring(config.refresh_key_file)
        keys, mail_keys = RefreshKeys(roots), MailKeys(roots)
        accounts, tokens = account_rows.Accounts(), MailTokens()
        database = ground.database
        ended = EndedSessions(database, sessions)
        ground.settle_doubts_by(ended)
        url = config.redis_url.get_secret_value()
        feed = RevocationFeed(url, ended.since, view=ground.revocations, clock=clock)
        endings = Endings(feed, notification, clock)
        throttles = Throttles(ground.limits, read_key(config.page_key_file))
        mails = Mails(
            database=database,
            accounts=accounts,
            users=users,
            mails=mail_rows.Mails(),
            tokens=tokens,
            keys=mail_keys,
            link_url=config.link_url,
            clock=clock,
        )
        confirmation = Confirmation(database=database, accounts=accounts, passwords=passwords, throttles=throttles)
        farewell = Farewell(
            database=database,
            friendships=social.friendships,
            limits=limits,
            rooms=social.rooms,
            avatars=avatars,
            clock=clock,
        )
        erasure = Erasure(database, TABLES, clock, first=farewell.say)
        links = ProviderStore()
        id_tokens = IdTokens(read_sources(config.providers_file), clock)
        ground.resources.push_async_callback(id_tokens.close)
        sign_ups = Accounts(
            database=database,
            accounts=accounts,
            users=users,
            limits=limits,
            sessions=sessions,
            passwords=passwords,
            keys=keys,
            mails=mails,
            links=links,
            throttles=throttles,
            facts=facts,
            clock=clock,
        )
        signing_in = Sessions(
            database=database,
            accounts=accounts,
            users=users,
            sessions=sessions,
            passwords=passwords,
            keys=keys,
            endings=endings,
            throttles=throttles,
            facts=facts,
            clock=clock,
        )
        providers = ProviderLogins(
            database=database,
            accounts=accounts,
            links=links,
            tokens=id_tokens,
            sign_ups=sign_ups,
            sessions=signing_in,
            session_rows=sessions,
            throttles=throttles,
            facts=facts,
            clock=clock,
        )
        self.deletions = Deletions(
            database=database,
            accounts=accounts,
            sessions=sessions,
            removal=Removal(accounts=accounts, users=users, sessions=sessions, mails=mail_rows.Mails(), links=links),
            confirmation=confirmation,
            providers=providers,
            erasure=erasure,
            endings=endings,
            facts=facts,
            clock=clock,
        )
        self.exports = Exports(database, TABLES, others)
        self.door = AuthDoor(
            accounts=sign_ups,
            sessions=signing_in,
            providers=providers,
            own_sessions=OwnSessions(
                database=database, accounts=accounts, sessions=sessions, endings=endings, clock=clock
            ),
            passwords=PasswordChanges(
                database=database,
                accounts=accounts,
                users=users,
                sessions=sessions,
                passwords=passwords,
                tokens=tokens,
                keys=mail_keys,
                mails=mails,
                links=links,
                confirmation=confirmation,
                throttles=throttles,
                endings=endings,
                facts=facts,
                clock=clock,
            ),
            emails=EmailChanges(
                database=database,
                accounts=accounts,
                sessions=sessions,
                tokens=tokens,
                keys=mail_keys,
                mails=mails,
                confirmation=confirmation,
                throttles=throttles,
                facts=facts,
                clock=clock,
            ),
            signer=signer,
            keys=ground.keys,
            clock=clock,
        )
        """The door of the public port."""
        self.session_check = SessionCheckDoor(ended)
        """A door of the internal port."""
        self.parts: Sequence[Part] = (
            WatchedFile(config.access_token_key_file, signer.load),
            feed,
            ViewFilling(ground.revocations, ended.since, feed.publish, clock=clock),
            Post(mails, _sender(config, clock)),
            erasure,
            Chore("forget mails", timedelta(hours=1), mails.forget),
            Chore("forget sessions", timedelta(hours=1), lambda: ended.forget(clock.now())),
        )


def _sender(config: UserConfig, clock: Clock) -> Sender:
    """What mails are sent with."""
    if config.mail_url is not None:
        try:
            return SmtpSender.of(config.mail_url.get_secret_value(), config.mail_from, clock)
        except ValueError as error:
            raise ConfigError(f"FIREWALKER_USER_MAIL_URL: {error}") from None
    return MailFolder(config.mail_folder or Path(), config.mail_from, clock)
