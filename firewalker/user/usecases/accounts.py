"""Making accounts."""

from dataclasses import dataclass
from datetime import datetime

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.runtime.mysql import Database, retried
from firewalker.user.domain.account import Account
from firewalker.user.domain.email import Email
from firewalker.user.domain.faults import EmailTaken, NicknameTaken
from firewalker.user.domain.mail import MailKind
from firewalker.user.domain.nickname import Nickname
from firewalker.user.domain.password import ensure_acceptable
from firewalker.user.domain.refresh_token import RefreshKeys
from firewalker.user.domain.session import Client, Session
from firewalker.user.domain.user import User, UserSignedUp
from firewalker.user.store.accounts import Accounts as AccountStore
from firewalker.user.store.limits import Limits
from firewalker.user.store.sessions import Sessions as SessionStore
from firewalker.user.store.users import Users
from firewalker.user.usecases.mails import Mails
from firewalker.user.usecases.ports import Facts, Passwords, Throttles, moment
from firewalker.user.usecases.sessions import Grant


@dataclass(frozen=True, slots=True, repr=False)
class SignUp:
    """What somebody signs up with; all but the password is known to be well-formed. Never shown: it holds a secret."""

    email: Email
    password: str
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
        await self._throttles.sign_up(form.client.installation_id)
        ensure_acceptable(form.password, [form.nickname.text, form.nickname.key, form.email.local, "firewalker"])
        await self._ensure_free(form)
        password_hash = await self._passwords.hash(form.password)
        return await self._make(form, password_hash, moment(self._clock))

    async def _ensure_free(self, form: SignUp) -> None:
        """Refuse what is taken before a password is hashed for it. The unique keys decide; this saves the work."""
        async with self._database.reading() as reading:
            if await self._accounts.find_by_email(reading, form.email) is not None:
                raise EmailTaken
            if await self._users.find_card_by_nickname(reading, form.nickname) is not None:
                raise NicknameTaken

    @retried
    async def _make(self, form: SignUp, password_hash: str, at: datetime) -> tuple[User, Grant]:
        user_id = UserId(new_uuid7(int(at.timestamp() * 1000)))
        user = User(user_id, form.nickname, form.email.text, form.time_zone, create_time=at)
        session = Session.open(SessionId(new_uuid7(int(at.timestamp() * 1000))), user_id, form.client, self._keys, at)
        async with self._database.transaction() as tx:
            await self._accounts.add(tx, Account(user_id, form.email, password_hash))
            await self._users.add(tx, user)
            await self._limits.add(tx, user_id)
            await self._sessions.add(tx, session)
            await self._mails.append(tx, MailKind.VERIFY, form.email, user_id)
            await self._facts.append(tx, [UserSignedUp(user, at)], {user_id: user.card})
        return user, Grant(session, session.newest_token(self._keys))
