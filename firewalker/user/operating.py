"""What operators do to accounts and reports, put together beside a running service, on connections of its own."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from firewalker.kernel.clock import SystemClock
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox
from firewalker.runtime.revocation import RevocationFeed
from firewalker.user.domain.session import Session
from firewalker.user.session_facts import ToldSessions
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.mail_tokens import MailTokens
from firewalker.user.store.mails import Mails
from firewalker.user.store.users import Users
from firewalker.user.usecases.account_states import AccountStates
from firewalker.user.usecases.ended_sessions import EndedSessions, revocation
from firewalker.user.usecases.reports import Reports

TELL_S = 5.0
"""Longest wait for Redis to take an announcement: a command has to connect first, and is in less of a hurry than a call."""


class _Announcements:
    """Implements `ports.Endings` where no service runs.

    The outbox has the devices detached. If Redis is away, the user services tell of the ends from MySQL.
    """

    def __init__(self, feed: RevocationFeed) -> None:
        self._feed = feed

    async def tell(self, ended: Iterable[Session]) -> None:
        await self._feed.publish(map(revocation, ended))


@asynccontextmanager
async def reporting(mysql_url: str) -> AsyncIterator[Reports]:
    """The reports in that database.

    Raises:
        DatabaseUnavailable: MySQL cannot be reached.
    """
    async with Database(mysql_url, pool_size=1, name="reports") as database:
        yield Reports(database, SystemClock())


@asynccontextmanager
async def governing(mysql_url: str, redis_url: str) -> AsyncIterator[AccountStates]:
    """The accounts in that database. Redis is connected to when a session was ended; without it all goes on.

    Raises:
        DatabaseUnavailable: MySQL cannot be reached.
    """
    clock = SystemClock()
    async with Database(mysql_url, pool_size=1, name="accounts") as database:
        sessions = ToldSessions(Outbox("step", "notification"))
        feed = RevocationFeed(redis_url, EndedSessions(database, sessions).since, clock=clock, tell_s=TELL_S)
        try:
            yield AccountStates(
                database=database,
                accounts=Accounts(),
                users=Users(),
                sessions=sessions,
                mails=Mails(),
                tokens=MailTokens(),
                endings=_Announcements(feed),
                clock=clock,
            )
        finally:
            await feed.stop()
