"""The use cases of the user service on a database, without its doors."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.revocation import RevocationFeed
from firewalker.user.domain.email import parse_email
from firewalker.user.domain.mail_secret import MailKeys
from firewalker.user.domain.nickname import parse_nickname
from firewalker.user.domain.refresh_token import RefreshKeys
from firewalker.user.domain.session import Client
from firewalker.user.endings import Endings
from firewalker.user.events import OutboxFacts
from firewalker.user.links import Links
from firewalker.user.passwords import PasswordLane
from firewalker.user.social_part import SocialPart
from firewalker.user.store.accounts import Accounts as AccountRows
from firewalker.user.store.limits import Limits
from firewalker.user.store.mail_tokens import MailTokens
from firewalker.user.store.mails import Mails as MailRows
from firewalker.user.store.provider_logins import ProviderLogins
from firewalker.user.store.sessions import Sessions as SessionRows
from firewalker.user.store.users import Users
from firewalker.user.throttles import Throttles
from firewalker.user.usecases.accounts import Accounts, SignUp
from firewalker.user.usecases.ended_sessions import EndedSessions
from firewalker.user.usecases.friend_requests import FriendRequests
from firewalker.user.usecases.mails import Mails
from firewalker.user.usecases.ports import Facts
from firewalker.user.usecases.sessions import Grant, Sessions
from tests.support.clock import FakeClock

KEYS = RefreshKeys([bytes(range(32))])
PASSWORD = "mist over the gate"


class _Nobody:
    """A service that is told and does nothing."""

    async def deliver(self, payloads: Sequence[bytes]) -> None:
        del payloads


@dataclass(frozen=True, slots=True)
class Rooms:
    database: Database
    accounts: Accounts
    sessions: Sessions
    requests: FriendRequests
    social: SocialPart
    clock: FakeClock
    mails: Mails

    async def sign_up(self, name: str) -> tuple[UserId, Grant]:
        email, nickname = parse_email(f"{name}@example.org"), parse_nickname(name)
        assert email is not None
        assert nickname is not None
        user, grant = await self.accounts.sign_up(SignUp(email, PASSWORD, nickname, "Asia/Seoul", Client()))
        return user.user_id, grant

    async def newcomers(self, count: int) -> list[UserId]:
        """Users who never sign in: they are made without the hashing of a password."""
        users = sorted(UserId(new_uuid7()) for _ in range(count))
        names = [f"w{user.hex[-12:]}" for user in users]
        async with self.database.transaction() as tx:
            await tx.execute_rows(
                "INSERT INTO user (user_id, nickname, nickname_key, nickname_lower, avatar_url, time_zone, visibility,"
                " create_time) VALUES",
                "(%s,%s,%s,%s,'','UTC',1,'2026-05-20')",
                [(user, name, name, name) for user, name in zip(users, names, strict=True)],
            )
            await tx.execute_rows(
                "INSERT INTO account (user_id, email, email_key, password_hash, state) VALUES",
                "(%s,%s,%s,'',1)",
                [(user, name, name) for user, name in zip(users, names, strict=True)],
            )
            await tx.execute_rows(
                "INSERT INTO friend_count (user_id, friends, outgoing, incoming) VALUES",
                "(%s,0,0,0)",
                [(user,) for user in users],
            )
        return users


@asynccontextmanager
async def open_rooms(mysql_url: str, redis_url: str, facts: Facts | None = None) -> AsyncIterator[Rooms]:
    """Migrate the database and build the use cases. Nothing is relayed, no heartbeat is sent."""
    await migrate(mysql_url, files("firewalker.user.store") / "schema")
    clock, lane = FakeClock(), PasswordLane()
    async with Database(mysql_url) as database:
        accounts, users, limits, sessions = AccountRows(), Users(), Limits(), SessionRows()
        feed = RevocationFeed(redis_url, EndedSessions(database, sessions).since, clock=clock)
        shared = {"database": database, "clock": clock, "users": users}
        facts = facts or OutboxFacts(Outbox("step", "notification"))
        mails = Mails(
            database=database,
            accounts=accounts,
            users=users,
            mails=MailRows(),
            tokens=MailTokens(),
            keys=MailKeys([bytes(32)]),
            link_url="http://x",
            clock=clock,
        )
        signing = {
            "accounts": accounts,
            "sessions": sessions,
            "passwords": lane,
            "keys": KEYS,
            "throttles": Throttles(None, bytes(32)),
        }
        social = SocialPart(
            database=database,
            users=users,
            limits=limits,
            facts=facts,
            links=Links("https://example.org/"),
            page_tokens=PageTokens(bytes(32)),
            clock=clock,
        )
        try:
            yield Rooms(
                database,
                Accounts(**shared, **signing, limits=limits, facts=facts, mails=mails, links=ProviderLogins()),  # type: ignore[arg-type]
                Sessions(**shared, **signing, endings=Endings(feed, _Nobody(), clock), facts=facts),  # type: ignore[arg-type]
                social.requests,
                social,
                clock,
                mails,
            )
        finally:
            await feed.stop()
            lane.close()
