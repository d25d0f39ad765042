"""Making accounts."""

from dataclasses import dataclass
from datetime import datetime

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import SessionId, UserId, new_uuid7_at
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.user.domain.account import Account
from firewalker.user.domain.email import Email
from firewalker.user.domain.faults import EmailTaken, NicknameTaken
from firewalker.user.domain.mail import MailKind
from firewalker.user.domain.nickname import Nickname
from firewalker.user.domain.password import ensure_acceptable, words_of
from firewalker.user.domain.provider import Identity
from firewalker.user.domain.refresh_token import RefreshKeys
from firewalker.user.domain.session import Client, Session
from firewalker.user.domain.user import User, UserSignedUp
from firewalker.user.store.accounts import Accounts as AccountStore
from firewalker.user.store.limits import Limits
from firewalker.user.store.provider_logins import ProviderLogins
from firewalker.user.store.sessions import Sessions as SessionStore
from firewalker.user.store.users import Users
from firewalker.user.usecases.mails import Mails
from firewalker.user.usecases.ports import Facts, Passwords, Throttles
from firewalker.user.usecases.sessions import Grant


@dataclass(frozen=True, slots=True, repr=False)
class SignUp:
    """What somebody signs up with; all but the password is known to be well-formed. Never shown: it holds a secret."""

    email: Email
    password: str
    nickname: Nickname
    time_zone: str
    client: Client


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody whom a provider has vouched for, and who has no account yet."""

    identity: Identity
    nickname: Nickname
    time_zone: str
    client: Client


class Accounts:
    """Accounts, as far as anybody may act on them."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: AccountStore,
        users: Users,
        limits: Limits,
        sessions: SessionStore,
        passwords: Passwords,
        keys: RefreshKeys,
        mails: Mails,
        links: ProviderLogins,
        throttles: Throttles,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._users = users
        self._limits = limits
        self._sessions = sessions
        self._passwords = passwords
        self._keys = keys
        self._mails = mails
        self._links = links
        self._throttles = throttles
        self._facts = facts
        self._clock = clock

    async def sign_up(self, form: SignUp) -> tuple[User, Grant]:
        """Make an account with its user and open its first session.

        Raises:
            PasswordTooShort, PasswordTooLong, PasswordTooCommon: See `domain.password`.
            EmailTaken, NicknameTaken: Somebody has it.
            RateExceeded: Too many attempts from there.
            Overloaded: Too many passwords are being hashed.
        """
        ensure_acceptable(form.password, words_of(form.nickname, form.email))
        async with self._throttles.sign_up(form.client.installation_id):
            await self._ensure_free(form)
            password_hash = await self._passwords.hash(form.password)
            return await self._make(form, password_hash, moment(self._clock))

    @retried
    async def welcome(self, newcomer: Newcomer) -> tuple[User, Grant]:
        """Make an account for a provider's identity, without a password, and open its first session.

        The address that the provider vouches for becomes the account's, unless somebody else claims it: who has confirmed it
        has to link the two; who has not keeps it for now, and loses it by the first mail that the true owner answers.

        Raises:
            NicknameTaken, EmailTaken: Somebody has it.
            ProviderLinkedElsewhere: The identity has an account by now.
        """
        at = moment(self._clock)
        async with self._database.transaction() as tx:
            email = newcomer.identity.email
            holder = None if email is None else await self._accounts.find_by_email(tx, email)
            if holder is not None:
                if holder.email_verify_time is not None:
                    raise EmailTaken
                email = None
            user_id = UserId(new_uuid7_at(at))
            account = Account(user_id, email, None, email_verify_time=None if email is None else at)
            user, session = self._first(account, newcomer.nickname, newcomer.time_zone, newcomer.client, at)
            await self._add(tx, account, user, session)
            await self._links.add(tx, user_id, newcomer.identity, at)
        return user, Grant(session, session.newest_token(self._keys))

    def _first(
        self, account: Account, nickname: Nickname, time_zone: str, client: Client, at: datetime
    ) -> tuple[User, Session]:
        user_id = account.user_id
        email = "" if account.email is None else account.email.text
        verified = account.email_verify_time is not None
        user = User(user_id, nickname, email, time_zone, create_time=at, email_verified=verified)
        session_id = SessionId(new_uuid7_at(at))
        return user, Session.open(session_id, user_id, client, self._keys, at)

    async def _add(self, tx: Transaction, account: Account, user: User, session: Session) -> None:
        """Everything that a new account consists of, and the fact."""
        await self._accounts.add(tx, account)
        await self._users.add(tx, user)
        await self._limits.add(tx, user.user_id)
        await self._sessions.add(tx, session)
        await self._facts.append(tx, [UserSignedUp(user, user.create_time)], {user.user_id: user.card})

    async def _ensure_free(self, form: SignUp) -> None:
        """Refuse what is taken before a password is hashed for it. The unique keys decide; this saves the work."""
        async with self._database.reading() as reading:
            if await self._accounts.find_by_email(reading, form.email) is not None:
                raise EmailTaken
            if await self._users.find_card_by_nickname(reading, form.nickname) is not None:
                raise NicknameTaken

    @retried
    async def _make(self, form: SignUp, password_hash: str, at: datetime) -> tuple[User, Grant]:
        user_id = UserId(new_uuid7_at(at))
        account = Account(user_id, form.email, password_hash)
        user, session = self._first(account, form.nickname, form.time_zone, form.client, at)
        async with self._database.transaction() as tx:
            await self._add(tx, account, user, session)
            await self._mails.append(tx, MailKind.VERIFY, form.email, user_id)
        return user, Grant(session, session.newest_token(self._keys))
