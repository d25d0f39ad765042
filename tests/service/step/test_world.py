"""One world, run by chance: zones, late syncs, restarts, two devices, cheats and corrections, on real MySQL and Redis.

FIREWALKER_TEST_WORLDS=200 runs it for longer.
"""

import os
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from firewalker.kernel.days import date_in
from firewalker.runtime.outbox import Outbox
from firewalker.step.domain.day import HOURS, WHOLE_DATE, to_ms
from firewalker.step.domain.leaderboard import State
from firewalker.step.domain.reading import FIRST_REJECTED, Counted
from firewalker.step.events import OutboxFacts
from firewalker.step.store import days
from firewalker.step.usecases.corrections import Corrected, Corrections
from firewalker.step.usecases.days import Days
from firewalker.step.usecases.leaderboards import FriendBoard, Leaderboards
from firewalker.step.usecases.readings import Readings
from firewalker.step.usecases.settling import Settling
from tests.service.step.reading import ReadingProcess, all_ears, befriended, reading_process, signed_up
from tests.service.step.world import DEVICES, Person, believable, merged
from tests.support.clock import FakeClock

ZONES = ("Pacific/Kiritimati", "Asia/Seoul", "Asia/Kathmandu", "Europe/Berlin", "America/Los_Angeles", "Etc/GMT+12")
WORLDS = int(os.environ.get("FIREWALKER_TEST_WORLDS", "6"))

# Every world has dates of its own: what is settled of a date is settled for all worlds. The first has a change of clocks.
_begins = (datetime.combine(date(2026, 3, 28) + timedelta(days=40 * number), time(9), UTC) for number in count())

who = st.integers(0, 2)
device = st.sampled_from(DEVICES)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.sampled_from([1, 1, 3, 9, 16])),
        st.tuples(st.just("walk"), who, st.sampled_from([("phone",), ("watch",), DEVICES]), st.integers(1, 4_000)),
        st.tuples(st.just("sync"), who, device, st.integers(0, 1 << 16)),
        st.tuples(st.just("restart"), who, device),
        st.tuples(st.just("cheat"), who, device, st.sampled_from(["day", "hours", "too much"])),
        st.tuples(st.just("correct"), who, device, st.integers(0, 600)),
        st.tuples(st.just("settle")),
    ),
    min_size=15,
    max_size=60,
)


class World:
    """Three friends, each in a zone of their own, before two processes."""

    def __init__(
        self, processes: tuple[ReadingProcess, ReadingProcess], zones: tuple[str, ...], begin: datetime
    ) -> None:
        self.processes = processes
        self.clock = FakeClock(begin)
        self.people = [Person(ZoneInfo(zone)) for zone in zones]
        self.stands: dict[tuple[int, date], list[tuple[object, ...]]] = {}
        """Boards as they were when they were first seen frozen."""

    async def begin(self) -> None:
        long_ago = self.clock.now() - timedelta(days=100)
        one, two, three = (person.user for person in self.people)
        for process in self.processes:
            await process.tell(
                *(signed_up(person.user, zone=str(person.zone), told=long_ago) for person in self.people),
                befriended(one, two, long_ago),
                befriended(two, three, long_ago),
                befriended(one, three, long_ago),
            )

    async def run(self, action: tuple[object, ...]) -> None:
        match action:
            case ("advance", int(hours)):
                self.clock.advance(timedelta(hours=hours))
            case ("walk", int(who), tuple(carried), int(steps)):
                person = self.people[who]
                local = self.clock.now().astimezone(person.zone)
                for name in carried:
                    person.devices[name].count(local.date(), local.hour, steps)
            case ("sync", int(who), str(name), int(seed)):
                await self.sync(self.people[who], name, random.Random(seed))
            case ("restart", int(who), str(name)):
                self.people[who].devices[name].counts.clear()
            case ("cheat", int(who), str(name), str(how)):
                await self.cheat(self.people[who], name, how)
            case ("correct", int(who), str(name), int(steps)):
                await self.correct(self.people[who], name, steps)
            case _:
                clock = self.clock
                await Settling(self.process.database, OutboxFacts(Outbox("notification"), clock), clock).settle()

    @property
    def process(self) -> ReadingProcess:
        return random.choice(self.processes)

    async def sync(self, person: Person, name: str, chance: random.Random) -> None:
        """All that the device has, or a part, in any order, some of it twice."""
        told = [(day, slot, steps) for (day, slot), steps in person.devices[name].counts.items()]
        told += chance.sample(told, len(told) // 3)
        chance.shuffle(told)
        await self.tell(person, name, told[: chance.randint(1, len(told))] if told else [])

    async def cheat(self, person: Person, name: str, how: str) -> None:
        today = date_in(person.zone, self.clock.now())
        told = {
            "day": [(today, WHOLE_DATE, 90_000)],
            "hours": [(today, hour, 13_000) for hour in (3, 4, 5)],
            "too much": [(today, 3, 15_001), (today + timedelta(days=3), 3, 10), (today, WHOLE_DATE, 100_001)],
        }
        await self.tell(person, name, told[how])

    async def tell(self, person: Person, name: str, told: list[tuple[date, int, int]]) -> None:
        process, now = self.process, self.clock.now()
        readings = Readings(process.ingest, process.part.zones, self.clock)
        moment = readings.moment()
        judged = [
            moment.window.judge(
                device_id=name,
                date_text=str(day),
                slot=slot,
                steps=steps,
                recorded_ms=to_ms(now),
                source=1,
                now_ms=to_ms(now),
            )
            for day, slot, steps in told
        ]
        taken = await readings.take(person.user, judged, patient=True)
        outcomes = (await taken.durable()).outcomes
        for (day, slot, steps), verdict, outcome in zip(told, judged, outcomes, strict=True):
            assert isinstance(verdict, Counted) == (outcome < FIRST_REJECTED)
            if isinstance(verdict, Counted):
                person.tell(day, name, slot, steps, now)

    async def correct(self, person: Person, name: str, steps: int) -> None:
        known = [day for day, device in person.own if device == name]
        if known:
            day = max(known)
            process = self.process
            corrections = Corrections(process.database, process.ingest, process.part.zones, self.clock)
            await corrections.correct(person.user, day, Corrected(name, [steps] * HOURS, ""))
            person.correct(day, name, [steps] * HOURS, self.clock.now())

    async def check(self) -> None:
        """Everybody's days are what the model says, and boards agree with them and with themselves."""
        now = self.clock.now()
        for number, person in enumerate(self.people):
            process = self.process
            async with process.database.reading() as tx:
                totals = await days.find_totals(tx, [(person.user.bytes, day) for day in person.days()])
            for day in person.days():
                own = await Days(process.database, process.part.zones, self.clock).get(person.user, day)
                total, most, together = merged(person.own, day)
                assert own.merge.total == total
                assert most <= total <= together
                if any(of == day for of, _ in person.standing):
                    standing = totals[person.user.bytes, day]
                    assert standing.total == merged(person.standing, day)[0]
                    assert standing.held is not believable(person.standing, day)
                await self.check_board(number, day, now)

    async def check_board(self, number: int, day: date, now: datetime) -> None:
        process, person = self.process, self.people[number]
        # From MySQL: what frames tell of comes a moment later.
        process.part.known._forget()
        await process.live.catch_up()
        board = await Leaderboards(process.database, process.part.circles, process.part.known, self.clock).of_friends(
            person.user, day
        )
        steps = [-row.standing.behind for row in board.rows if row.rank]
        assert [row.rank for row in board.rows if row.rank] == [1 + sum(s > one for s in steps) for one in steps]
        assert {row.standing.user_id for row in board.rows} == {one.user.bytes for one in self.people}
        assert all(row.rank == 0 for row in board.rows if row.standing.state is not State.RANKED)
        if now >= datetime.combine(day + timedelta(days=2), time(0), UTC):
            assert self.stands.setdefault((number, day), shown(board)) == shown(board)


def shown(board: FriendBoard) -> list[tuple[object, ...]]:
    return [(row.standing.user_id, row.rank, row.standing.behind, row.standing.state) for row in board.rows]


@pytest.fixture
async def processes(step_url: str, redis_url: str) -> AsyncIterator[tuple[ReadingProcess, ReadingProcess]]:
    async with reading_process(step_url, redis_url) as one, reading_process(step_url, redis_url) as other:
        await all_ears(one, other)
        yield one, other


@pytest.mark.requirement("DATA-20", "DATA-21", "DATA-22")
@pytest.mark.timeout(600)
@settings(
    max_examples=WORLDS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # making a failing world smaller would take minutes
)
@given(zones=st.permutations(ZONES).map(lambda zones: tuple(zones[:3])), some=actions)
async def test_whatever_happens_days_and_boards_are_what_the_contract_says(
    processes: tuple[ReadingProcess, ReadingProcess], zones: tuple[str, ...], some: list[tuple[object, ...]]
) -> None:
    world = World(processes, zones, next(_begins))
    await world.begin()
    for action in some:
        await world.run(action)
    await world.check()
    for number in range(3):  # what chance alone seldom does within one hour
        for action in (
            ("walk", number, DEVICES, 900),
            ("sync", number, "phone", 7),
            ("correct", number, "phone", 20),
            ("sync", number, "phone", 8),
            ("walk", number, ("phone",), 50),
            ("sync", number, "phone", 9),
            ("sync", number, "watch", 10),
        ):
            await world.run(action)
    await world.check()
    await world.run(("settle",))
    await world.run(("advance", 60))
    await world.run(("settle",))
    await world.check()
    for number in range(3):  # too late for standings
        await world.run(("sync", number, "phone", 1))
        await world.run(("correct", number, "watch", 10))
    await world.run(("settle",))
    await world.check()
