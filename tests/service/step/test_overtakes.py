"""Overtakes on the real servers: what is walked comes from the ingest, what is told goes into the outbox."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from firewalker.gen.pb.firewalker.event.v1 import Event
from firewalker.kernel.ids import UserId
from firewalker.runtime.outbox import Outbox
from firewalker.step.domain.circle import Person
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.overtake import Overtaken, Walked
from firewalker.step.domain.reading import Counted
from firewalker.step.domain.visibility import Visibility
from firewalker.step.events import OutboxFacts
from firewalker.step.overtakes import Overtakes
from firewalker.step.usecases.corrections import Corrected, Corrections
from firewalker.step.usecases.overtakings import Overtakings
from tests.service.step.reading import (
    ReadingProcess,
    all_ears,
    befriended,
    group_of_friends,
    reading_process,
    someone,
    veiled,
)
from tests.support.clock import FakeClock
from tests.support.databases import run_on

Told = list[tuple[str, str, str]]


@dataclass
class Scene:
    """A process with a worker whose clock stands still."""

    process: ReadingProcess
    clock: FakeClock
    overtakes: Overtakes
    overtakings: Overtakings
    mysql_url: str
    day: date
    walked: list[Walked] = field(default_factory=list)

    async def walk(self, user: UserId, steps: int, *, hour: int = 9, ago: timedelta = timedelta(0)) -> None:
        """Durable, and looked at."""
        at_ms = to_ms(datetime.now(UTC) - ago)
        await self.process.ingest.record(user.bytes, [Counted(self.day, "phone", hour, steps, at_ms, 1, late=False)])
        await self.look()

    async def look(self) -> None:
        self.overtakes.walked(self.walked)
        self.walked.clear()
        await self.overtakes.look()

    async def hold(self, seconds: float = 31.0) -> None:
        self.clock.advance(seconds)
        await self.look()

    async def told(self) -> Told:
        """What stands in the outbox: the kind, who did it, who is to be told."""
        found: Told = []
        for (payload,) in await run_on(self.mysql_url, "SELECT payload FROM outbox ORDER BY position"):
            assert isinstance(payload, bytes)
            event = Event.parse(payload)
            if event.overtaken is not None and event.overtaken.overtaker is not None:
                assert event.overtaken.date == str(self.day)
                found.append(("passed", event.overtaken.overtaker.user_id, event.overtaken.overtaken_id))
            elif event.first_place_taken is not None:
                found.append(("first", event.first_place_taken.user_id, event.first_place_taken.user_id))
        return found


@pytest.fixture
async def scene(step_url: str, redis_url: str) -> AsyncIterator[Scene]:
    # The dates are those of 8:00 UTC, so that nobody's day ends in the middle of a test.
    now = datetime.now(UTC)
    clock = FakeClock(now.replace(hour=8))
    walked: list[Walked] = []
    async with reading_process(step_url, redis_url, walked=walked.extend) as process:
        await all_ears(process)
        overtakings = Overtakings(process.database, OutboxFacts(Outbox("notification"), clock), clock)
        overtakes = Overtakes(process.part.circles, process.part.known, process.live, overtakings, clock)
        yield Scene(process, clock, overtakes, overtakings, step_url, now.date(), walked)


def passed(walker: UserId, friend: UserId) -> tuple[str, str, str]:
    return "passed", str(walker), str(friend)


def first(walker: UserId) -> tuple[str, str, str]:
    return "first", str(walker), str(walker)


async def test_a_lead_that_is_held_is_told_to_who_was_passed(scene: Scene) -> None:
    me, ann, ben = someone(), someone(), someone()
    await scene.process.tell(*group_of_friends(me, [ann, ben]))
    await scene.walk(ann, 1_000)
    await scene.walk(ben, 5_000)
    await scene.walk(me, 900)
    await scene.walk(me, 1_050)  # in front, but not by enough
    await scene.hold()
    assert await scene.told() == []
    await scene.walk(me, 1_150)
    await scene.hold(29)
    assert await scene.told() == []
    await scene.hold(2)
    assert await scene.told() == [passed(me, ann)]
    await scene.hold(300)
    await scene.walk(me, 5_200)
    await scene.hold()
    assert await scene.told() == [passed(me, ann), passed(me, ben), first(me)]


async def test_who_falls_back_in_time_has_not_passed(scene: Scene) -> None:
    me, ann = someone(), someone()
    await scene.process.tell(*group_of_friends(me, [ann]))
    await scene.walk(ann, 1_000)
    await scene.walk(me, 1_200)
    await scene.hold(20)
    await scene.walk(ann, 1_150)  # the lead is gone, if not the place
    await scene.hold(20)
    await scene.walk(me, 1_300)
    await scene.hold(20)
    assert await scene.told() == []
    await scene.hold(20)
    assert await scene.told() == [passed(me, ann), first(me)]


async def test_two_make_news_of_each_other_once_in_two_hours(scene: Scene) -> None:
    me, ann = someone(), someone()
    await scene.process.tell(*group_of_friends(me, [ann]))
    await scene.walk(ann, 1_000)
    await scene.walk(me, 2_000)
    await scene.hold()
    for steps, walker in ((3_000, ann), (4_000, me), (5_000, ann)):
        await scene.walk(walker, steps)
        await scene.hold()
    # Ann took the first place once herself: that is no news of the two.
    assert await scene.told() == [passed(me, ann), first(me), first(ann)]
    scene.clock.advance(timedelta(hours=2))
    await scene.walk(me, 6_000)
    await scene.hold()
    assert (await scene.told())[3:] == [passed(me, ann), first(me)]


async def test_nobody_is_told_more_than_six_times_a_day(scene: Scene) -> None:
    me = someone()
    friends = [someone() for _ in range(9)]
    await scene.process.tell(*group_of_friends(me, friends))
    await scene.walk(me, 1_000)
    for friend in friends:
        await scene.walk(friend, 2_000)
    await scene.hold()
    told = [whom for kind, _, whom in await scene.told() if kind == "passed"]
    assert told == [str(me)] * 6


async def test_neither_backfill_nor_corrections_nor_new_friends_pass_anybody(scene: Scene) -> None:
    me, ann, ben = someone(), someone(), someone()
    await scene.process.tell(*group_of_friends(me, [ann]))
    await scene.walk(ann, 1_000)
    await scene.walk(me, 1_500, ago=timedelta(minutes=3))
    await scene.walk(me, 200, hour=10)  # live, but in front already
    await scene.walk(ben, 500)
    await scene.process.tell(befriended(me, ben))
    zones = scene.process.part.zones
    corrector = Corrections(scene.process.database, scene.process.ingest, zones, FakeClock(scene.clock.now()))
    await corrector.correct(ann, scene.day, Corrected("phone", [0] * 24, ""))
    await scene.look()
    await scene.walk(me, 300, hour=10)
    await scene.hold()
    assert await scene.told() == []


@pytest.mark.requirement("PRIV-01")
async def test_nobody_is_told_of_a_friend_who_hides(scene: Scene) -> None:
    me, ann = someone(), someone()
    await scene.process.tell(*group_of_friends(me, [ann]), veiled(me, Visibility.HIDDEN))
    await scene.walk(ann, 1_000)
    await scene.walk(me, 2_000)
    await scene.hold()
    assert await scene.told() == []


async def test_a_change_costs_as_much_as_the_walker_has_friends(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    me, friends = someone(), [someone() for _ in range(3)]
    await scene.process.tell(*group_of_friends(me, friends))
    known = scene.process.part.known
    read, asked = known.read, list[int]()

    async def counted(day: date, users: Sequence[bytes]) -> dict[bytes, UserTotal]:
        asked.append(len(users))
        return await read(day, users)

    monkeypatch.setattr(known, "read", counted)
    for _ in range(20):
        await scene.walk(someone(), 500)
    assert asked == []
    await scene.walk(me, 500)
    assert asked == [4]
    for steps in range(600, 900, 100):  # however often until it is looked at
        at_ms = to_ms(datetime.now(UTC))
        await scene.process.ingest.record(me.bytes, [Counted(scene.day, "phone", 9, steps, at_ms, 1, late=False)])
    await scene.look()
    assert asked == [4, 4]


async def test_yesterday_passes_nobody(scene: Scene) -> None:
    me, ann = someone(), someone()
    await scene.process.tell(*group_of_friends(me, [ann]))
    scene.day -= timedelta(days=1)
    await scene.walk(ann, 1_000)
    await scene.walk(me, 2_000)
    await scene.hold()
    assert await scene.told() == []


@pytest.mark.requirement("DLV-01")
async def test_two_processes_that_find_out_at_once_tell_it_once(scene: Scene) -> None:
    me, ann = someone(), someone()
    fact = Overtaken(me.bytes, ann.bytes, scene.day, took_first_place=False)
    walker = Person(me.bytes, str(me), "Me")
    answers = await asyncio.gather(*(scene.overtakings.tell(fact, walker) for _ in range(4)))
    assert sorted(answers) == [False, False, False, True]
    assert await scene.told() == [passed(me, ann)]
    scene.clock.advance(timedelta(days=4))
    assert await scene.overtakings.forget() == 2
    assert await scene.overtakings.forget() == 0
