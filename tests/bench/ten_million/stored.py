"""What of the day is kept: rows through the services' own stores into a private MySQL, and how large they are there."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from importlib.resources import files
from random import Random
from typing import NamedTuple, TypeVar
from uuid import UUID

from firewalker.kernel.ids import EventId, SessionId, UserId
from firewalker.local.servers import PrivateServers
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, OutboxEvent
from firewalker.step.domain.day import HOURS, SLOTS
from firewalker.step.domain.facts import Joined, WalkerNews
from firewalker.step.domain.settling import SETTLED, dates_to_settle, zones_of_round
from firewalker.step.events import OutboxFacts
from firewalker.step.store import boards, bonds, days, goals, groups, walkers
from firewalker.step.store.keys import ROWS_PER_STATEMENT
from firewalker.step.usecases.settling import Settling
from firewalker.user.domain.account import Account
from firewalker.user.domain.email import Email
from firewalker.user.domain.friendship import Pair, State
from firewalker.user.domain.nickname import Nickname
from firewalker.user.domain.refresh_token import RefreshKeys
from firewalker.user.domain.session import Client, Session
from firewalker.user.domain.user import User
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.limits import Limits
from firewalker.user.store.sessions import Sessions
from firewalker.user.store.users import Users
from tests.bench.growth import size_of
from tests.bench.ten_million.day import Day
from tests.bench.ten_million.people import Crowd, seeded_id
from tests.support.clock import FakeClock
from tests.support.databases import fresh_database, run_on

ACCOUNTS = 200
"""Walkers whose accounts are stored: their rows are all of one kind."""

GROUP_ROWS = 100
"""Rows of one commit, when the cost of a commit's rows is measured."""

ROUNDS = 4

PASSWORD_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$" + "c2FsdHNhbHRzYWx0c2FsdA$" + "aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
)

T = TypeVar("T")


class TableSize(NamedTuple):
    """A table with what the sample left there."""

    name: str
    rows: int
    bytes: int


@dataclass
class Kept:
    """What was found."""

    standing: list[TableSize] = field(default_factory=list)
    """Tables that grow with people, not with days."""
    daily: list[TableSize] = field(default_factory=list)
    """Tables that every day adds to."""
    settling_s: float = 0.0
    """Wall time of freezing the boards of the day, rests included: one process at a time does it."""
    results: list[OutboxEvent] = field(default_factory=list)
    """Results of the day, as they were told."""
    mysql_us_a_row: float = 0.0
    """Processor of the server for a row of a commit, with its total read back."""


def processor_us(pid: int) -> float:
    """What a process has used so far, all threads; finer than the ticks in /proc."""
    return time.clock_gettime((~pid << 3) | 2) * 1e6


@asynccontextmanager
async def migrated(servers: PrivateServers, service: str) -> AsyncIterator[tuple[str, Database]]:
    """An empty database of *service*."""
    async with fresh_database(servers) as url:
        await migrate(url, files(f"firewalker.{service}.store") / "schema")
        async with Database(url, pool_size=2) as database:
            yield url, database


def chunks(items: Sequence[T], size: int = ROWS_PER_STATEMENT) -> Iterator[Sequence[T]]:
    """*items* in portions."""
    return (items[start : start + size] for start in range(0, len(items), size))


async def sizes(url: str, names: Sequence[str]) -> list[TableSize]:
    """Rows and bytes of tables that were rebuilt."""
    found = []
    for name in names:
        size = await size_of(url, name)
        rows = await run_on(url, f"SELECT COUNT(*) FROM {name}")  # noqa: S608 - a name from here
        found.append(TableSize(name, int(str(rows[0][0])), size))
    return found


async def keep_steps(servers: PrivateServers, crowd: Crowd, day: Day, kept: Kept) -> None:
    """The step service's rows: people, the days as their devices counted them, the boards when they are frozen."""
    today = day.begin.date()
    async with migrated(servers, "step") as (url, database):
        await _people(database, crowd, day.begin)
        kept.standing += await sizes(url, ["walker", "friend", "walking_group", "group_change", "goal", "goal_owner"])
        rises = [
            days.Rise(
                device.user, device.date, device.device_id, False, device.source, device.last_reading_ms,  # noqa: FBT003
                device.last_reading_ms, 0, tuple(device.counts),
            )
            for device in day.devices.values()
            if device.date == today
        ]  # fmt: skip
        for some in chunks(sorted(rises)):
            async with database.transaction() as tx:
                await days.raise_counts(tx, tuple(range(SLOTS)), some)
        await _freeze(database, day.begin, kept)
        async with database.reading() as tx:
            told = await tx.all("SELECT event_id, kind, payload, create_time, about_id FROM outbox ORDER BY position")
        kept.results = [
            OutboxEvent(EventId(UUID(bytes=one)), kind, payload, at, UUID(bytes=about))
            for one, kind, payload, at, about in told
        ]
        kept.daily += await sizes(url, ["day_device", "frozen_board"])
        kept.mysql_us_a_row = await _cost_of_rows(servers, database, rises, today)


async def _people(database: Database, crowd: Crowd, at: datetime) -> None:
    for people in chunks(crowd.walkers):
        async with database.transaction() as tx:
            await walkers.save(
                tx,
                [
                    WalkerNews(one.user, one.person.nickname, one.person.avatar_url, at, one.habit.zone.key)
                    for one in people
                ],
            )
    users = [walker.user for walker in crowd.walkers]
    pairs = [(users[one], users[other]) for one, of in enumerate(crowd.friends) for other in of if one < other]
    since = at - timedelta(days=100)
    for some in chunks(pairs):
        async with database.transaction() as tx:
            await bonds.befriend(tx, [(one, other, since, since) for one, other in some])
    random = Random(2)
    for members in crowd.groups:
        group = seeded_id(since, random)
        joined = [
            Joined(
                EventId(seeded_id(since, random)), group, "Morning walkers",
                WalkerNews(users[member], crowd.walkers[member].person.nickname, "", since), since,
            )
            for member in members
        ]  # fmt: skip
        async with database.transaction() as tx:
            await groups.name(tx, joined)
            await groups.change(tx, joined)
    for walker in crowd.walkers:
        if walker.person.goals.history:
            async with database.transaction() as tx:
                await goals.save(tx, walker.user, await goals.lock(tx, walker.user), walker.person.goals)


class _Moved(FakeClock):
    """Its time of day is moved; durations are real: freezing rests for as long as it works."""

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic()


async def _freeze(database: Database, begin: datetime, kept: Kept) -> None:
    """Freeze the boards of the day as it becomes final in one zone after the other."""
    zones_of_round(begin.date(), 0)  # reads all zones from their files, which a process does once
    clock = _Moved(begin + timedelta(days=1))
    settling = Settling(database, OutboxFacts(Outbox("notification"), clock), clock)
    for _ in range(40):
        await _leave_out_all_but(database, begin.date(), clock.now())
        frozen, began = await _count_frozen(database), time.monotonic()
        while await settling.settle():
            pass
        took = time.monotonic() - began
        # Hours in which nobody's day ended cost nothing beside millions of boards.
        kept.settling_s += took if await _count_frozen(database) > frozen else 0.0
        clock.advance(timedelta(hours=1))


async def _count_frozen(database: Database) -> int:
    async with database.reading() as tx:
        return int((await tx.one("SELECT COUNT(*) FROM frozen_board"))[0])


async def _leave_out_all_but(database: Database, day: date, now: datetime) -> None:
    """Nobody walked on the other days here; elsewhere their boards are frozen already."""
    others = [other for other in dates_to_settle(now) if other != day]
    async with database.transaction() as tx:
        for other in await boards.list_unsettled(tx, others):
            await boards.move(tx, other, boards.Progress(SETTLED, b""))


async def _cost_of_rows(servers: PrivateServers, database: Database, rises: Sequence[days.Rise], today: date) -> float:
    """Processor of the server, in µs, for a row that rises in one hour, in commits of `GROUP_ROWS`, totals read back."""
    rows, before = 0, processor_us(servers.mysql.pid)
    for more in range(1, ROUNDS + 1):
        for some in chunks(rises, GROUP_ROWS):
            higher = [rise._replace(counts=(rise.counts[HOURS - 1] + more,)) for rise in some]
            async with database.transaction() as tx:
                await days.raise_counts(tx, (HOURS - 1,), higher)
            async with database.reading() as tx:
                await days.find_totals(tx, {(rise.user, today) for rise in some})
            rows += len(some)
    return (processor_us(servers.mysql.pid) - before) / rows


async def keep_accounts(servers: PrivateServers, crowd: Crowd, at: datetime, kept: Kept) -> None:
    """The user service's rows of some walkers; friendships among all whose lower number is theirs."""
    some, random = crowd.walkers[:ACCOUNTS], Random(3)
    keys = RefreshKeys([random.randbytes(32)])
    accounts, users, sessions, limits, friendships = Accounts(), Users(), Sessions(), Limits(), Friendships()
    async with migrated(servers, "user") as (url, database):
        for walker in some:
            nickname = walker.person.nickname
            email = Email(f"{nickname.lower()}@walkers.example")
            async with database.transaction() as tx:
                await accounts.add(tx, Account(walker.user, email, PASSWORD_HASH))
                await users.add(tx, User(walker.user, Nickname(nickname), email.text, walker.habit.zone.key, at))
                await limits.add(tx, walker.user)
                session = SessionId(seeded_id(at, random))
                await sessions.add(tx, Session.open(session, walker.user, Client("telephone", "phone"), keys, at))
        for walker in some[: ACCOUNTS // 4]:
            async with database.transaction() as tx:
                for other in crowd.friends[walker.number]:
                    pair = Pair.of(walker.user, UserId(crowd.walkers[other].user))
                    made = await friendships.lock(tx, pair)
                    await friendships.save(tx, replace(made, state=State.FRIENDS, since=at, changed=at))
        kept.standing += await sizes(url, ["account", "user", "session", "friend_count", "friendship"])
