"""What is frozen is what was read: in whole little worlds, by the two ways that boards are put together, on real MySQL."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from firewalker.kernel.ids import EventId, UserId, new_uuid7
from firewalker.runtime.outbox import Outbox
from firewalker.step.domain.circle import Circle, Person
from firewalker.step.domain.facts import Blocked, Fact, Moved
from firewalker.step.domain.goal import Goals, Reached
from firewalker.step.domain.leaderboard import State
from firewalker.step.domain.reading import Counted
from firewalker.step.domain.visibility import Visibility
from firewalker.step.events import OutboxFacts
from firewalker.step.store import friends, goals
from firewalker.step.usecases.leaderboards import Leaderboards
from firewalker.step.usecases.settling import Settling
from tests.service.step.reading import (
    ReadingProcess,
    all_ears,
    befriended,
    parted,
    reading_process,
    signed_up,
    someone,
    veiled,
    veiled_for,
)
from tests.support.clock import FakeClock

DAY = date(2026, 5, 20)
BEFORE = datetime(2026, 5, 1, tzinfo=UTC)
AFTER_ALL = datetime(2026, 5, 22, 0, 2, tzinfo=UTC)
ZONES = ("Asia/Seoul", "Europe/Lisbon", "America/Los_Angeles")
LEVELS = tuple(Visibility)


def ties(users: Sequence[UserId], random: Random) -> list[Fact]:
    """All that can stand between two people, half of it undone again or too late."""
    told = BEFORE
    facts: list[Fact] = [signed_up(user, zone=random.choice(ZONES), told=told) for user in users]
    facts += [Moved(EventId(new_uuid7()), user, random.choice(ZONES), DAY, told) for user in random.sample(users, 3)]
    facts += [veiled(user, random.choice(LEVELS), told) for user in random.sample(users, 4)]
    for place, one in enumerate(users):
        for other in users[place + 1 :]:
            if random.random() < 0.5:
                # Around the midnights of the zones: who is a friend too late is not on the board.
                since = random.choice(
                    [BEFORE, datetime(2026, 5, 20, 15, tzinfo=UTC) + timedelta(hours=random.randrange(20))]
                )
                facts.append(befriended(one, other, since, told))
                if random.random() < 0.3:
                    facts.append(veiled_for(one, other, random.choice([*LEVELS, None]), since + timedelta(hours=1)))
            if random.random() < 0.1:
                facts.append(Blocked(EventId(new_uuid7()), one, other, told + timedelta(days=1), lifted=False))
            if random.random() < 0.1:
                facts.append(parted(one, other, told + timedelta(days=1)))
    return facts


async def live(process: ReadingProcess, users: Sequence[UserId], random: Random) -> None:
    """They are friends or not, have goals or not, and walk or not: as many steps as others, or more than is believed."""
    await process.tell(*ties(users, random))
    for user in random.sample(users, 6):
        async with process.database.transaction() as tx:
            wanted = Goals(
                ((date(2026, 5, 2), 5_000), (DAY, random.choice([900, 9_000]))), shared=random.random() < 0.5
            )
            await goals.save(tx, user, await goals.lock(tx, user), wanted)
    at_ms = int(datetime(2026, 5, 20, 11, tzinfo=UTC).timestamp() * 1000)

    async def walk(user: UserId, steps: int) -> None:
        slot = 24 if steps > 15_000 else 9
        await process.ingest.record(user.bytes, [Counted(DAY, "phone", slot, steps, at_ms, 1, late=False)])
        await process.ingest.record(user.bytes, [Counted(DAY, "watch", 10, 60, at_ms, 1, late=True)])

    walked = [(user, random.choice([0, 700, 900, 900, 1_250, 90_000, None])) for user in users]
    await asyncio.gather(*(walk(user, steps) for user, steps in walked if steps is not None))


async def shown(process: ReadingProcess, user: UserId) -> list[tuple[bytes, int, int, State, Reached, Visibility]]:
    reading = Leaderboards(process.database, process.part.circles, process.part.known, FakeClock(AFTER_ALL))
    return [
        (
            row.standing.user_id,
            row.rank,
            row.standing.steps,
            row.standing.state,
            row.standing.goal_reached,
            row.standing.sight,
        )
        for row in (await reading.of_friends(user, DAY)).rows
    ]


def nameless(circle: Circle) -> tuple[object, ...]:
    def bare(person: Person) -> tuple[Person, Goals]:
        return replace(person, text_id="", nickname="", avatar_url=""), person.goals

    others = {friend.person.user_id: (bare(friend.person), friend.since, friend.bond) for friend in circle.friends}
    return bare(circle.me), others


@pytest.mark.requirement("DATA-21")
@pytest.mark.parametrize("seed", range(2))
async def test_boards_are_frozen_as_they_were_read(step_url: str, redis_url: str, seed: int) -> None:
    random = Random(seed)
    users = [someone() for _ in range(12)]
    clock = FakeClock(AFTER_ALL)
    async with reading_process(step_url, redis_url) as process:
        await all_ears(process)
        await live(process, users, random)
        before = {user: await shown(process, user) for user in users}
        settling = Settling(process.database, OutboxFacts(Outbox("notification"), clock), clock)
        while await settling.settle():
            pass
        async with process.database.reading() as tx:
            rows = await tx.all("SELECT user_id FROM frozen_board WHERE date = %s", [DAY])
        assert {user.bytes for user in users if any(row[3] is not State.NO_DATA for row in before[user])} == {
            user for (user,) in rows
        }
        assert {user: await shown(process, user) for user in users} == before


async def test_many_circles_are_those_of_each(step_url: str, redis_url: str) -> None:
    random = Random(7)
    users = [someone() for _ in range(12)]
    async with reading_process(step_url, redis_url, clock=FakeClock(AFTER_ALL)) as process:
        await live(process, users, random)
        asked = [*random.sample(users, 9), someone()]
        async with process.database.reading() as tx:
            together = await friends.list_circles(tx, [user.bytes for user in asked], goals_since=DAY)
            each = [await friends.get_circle(tx, user) for user in asked]
            wanted = await goals.find_of(tx, [user.bytes for user in users], since=DAY)
            assert await friends.list_circles(tx, [], goals_since=DAY) == []
    assert [nameless(circle) for circle in together] == [nameless(circle.with_goals(wanted)) for circle in each]
