"""Walkers whose day is over: friends, zones, goals and settings as people have them, and what they walked."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random

from firewalker.kernel.ids import EventId, UserId, new_uuid7, new_uuid7_at
from firewalker.runtime.mysql import Database
from firewalker.step.domain.day import HOURS
from firewalker.step.domain.facts import Veiled, WalkerNews
from firewalker.step.domain.goal import Goals
from firewalker.step.domain.settling import SETTLED, dates_to_settle
from firewalker.step.domain.visibility import Visibility
from firewalker.step.store import boards, bonds, days, goals, walkers
from tests.bench.growth import CHUNK, rises

BIG_ZONE, OTHER_ZONE = "Asia/Seoul", "Europe/Lisbon"

ELSEWHERE, ABROAD = 0.1, 0.005
"""Parts of the walkers who live in the other zone, and of friends who live in another zone than oneself: boards wait for them."""

MEDIAN_FRIENDS, SPREAD = 17, 0.65
"""Friends are log-normal, with a mean of 21, as in `ten_million`."""

WITH_GOAL, VEILED = 0.3, 0.05
"""Parts of the walkers who have a goal, and who show everybody rounded steps."""


@dataclass(frozen=True)
class Crowd:
    """Who they are and what was written down of them."""

    users: Sequence[UserId]
    day: date


async def fill(database: Database, count: int) -> Crowd:
    """*count* walkers into an empty database, all of whom walked on a date that is over everywhere."""
    random = Random(7)
    users = sorted(UserId(new_uuid7()) for _ in range(count))
    elsewhere = set(random.sample(users, int(count * ELSEWHERE)))
    now = datetime.now(UTC)
    day = now.date() - timedelta(days=3)
    since = now - timedelta(days=100)
    for start in range(0, count, CHUNK):
        some = users[start : start + CHUNK]
        news = [
            WalkerNews(user, f"n{user.hex[-12:]}", "", since, OTHER_ZONE if user in elsewhere else BIG_ZONE)
            for user in some
        ]
        async with database.transaction() as tx:
            await walkers.save(tx, news)
            await bonds.veil(tx, [_veiled(user, since) for user in some if random.random() < VEILED])
            await days.raise_counts(tx, tuple(range(HOURS)), sorted(rises([user.bytes for user in some], day, random)))
        for user in some:
            if random.random() < WITH_GOAL:
                async with database.transaction() as tx:
                    wanted = Goals(
                        ((since.date(), random.randrange(4_000, 12_000, 500)),), shared=random.random() < 0.5
                    )
                    await goals.save(tx, user, await goals.lock(tx, user), wanted)
    pairs = sorted({_pair(one, other) for one, other in _friendships(users, elsewhere, random)})
    for start in range(0, len(pairs), CHUNK):
        async with database.transaction() as tx:
            await bonds.befriend(tx, [(one, other, since, since) for one, other in pairs[start : start + CHUNK]])
    return Crowd(users, day)


async def freeze_nothing(database: Database, now: datetime) -> None:
    """As if all boards of the dates that may have any were frozen."""
    async with database.transaction() as tx:
        for day in await boards.list_unsettled(tx, dates_to_settle(now)):
            await boards.move(tx, day, boards.Progress(SETTLED, b""))


async def freeze_again(database: Database, day: date) -> None:
    """Nothing of *day* is frozen and nobody was told of it."""
    async with database.transaction() as tx:
        for table in ("frozen_board", "outbox"):
            await tx.execute(f"DELETE FROM {table}")  # noqa: S608 - a name from here
        await boards.move(tx, day, boards.Progress(0, b""))


async def count(database: Database) -> int:
    """How many boards are frozen."""
    async with database.reading() as tx:
        return int((await tx.one("SELECT COUNT(*) FROM frozen_board"))[0])


def _friendships(
    users: Sequence[UserId], elsewhere: AbstractSet[UserId], random: Random
) -> Iterator[tuple[UserId, UserId]]:
    """Each friendship is of two: half of somebody's are made here."""
    places = [user for user in users if user not in elsewhere], sorted(elsewhere)
    for one in users:
        home = one in elsewhere
        for _ in range(round(random.lognormvariate(0, SPREAD) * MEDIAN_FRIENDS / 2)):
            other = random.choice(places[home ^ (random.random() < ABROAD)])
            if other != one:
                yield one, other


def _pair(one: UserId, other: UserId) -> tuple[UserId, UserId]:
    return (one, other) if one < other else (other, one)


def _veiled(user: UserId, at: datetime) -> Veiled:
    return Veiled(EventId(new_uuid7_at(at)), user, Visibility.ROUNDED, at)
