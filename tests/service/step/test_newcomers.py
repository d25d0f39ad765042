"""Who calls before the events have told of them is asked about at the user service: once, and what events tell stands."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from firewalker.kernel.ids import EventId, UserId, new_uuid7
from firewalker.runtime.deadline import deadline
from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.runtime.mysql import Database
from firewalker.runtime.mysql.literals import fill
from firewalker.runtime.personal_data import tombstones
from firewalker.step.app import build
from firewalker.step.config import StepConfig
from firewalker.step.domain.circle import Person
from firewalker.step.domain.facts import BEFORE_EVENTS, Moved, Renamed, WalkerNews
from firewalker.step.domain.reading import Outcome
from firewalker.step.usecases.circles import Circles
from firewalker.step.usecases.newcomers import AGAIN_S, ASK_AT_ONCE, MOST_UNKNOWN, Newcomers
from firewalker.step.usecases.projections import Projections
from firewalker.step.usecases.readings import Readings
from firewalker.step.usecases.zones import Zones
from tests.service.step.calls import BOARDS, GOALS, call, eventually
from tests.service.step.conftest import Process
from tests.service.step.reading import signed_up, someone
from tests.service.step.test_projections import Announced, queries
from tests.service.user.conftest import open_world
from tests.support.clock import NOON, FakeClock
from tests.support.databases import Servers, fresh_database, run_on
from tests.support.services import serving

SEOUL, LIMA = "Asia/Seoul", "America/Lima"
NAMELESS = ("", "UTC", False)


class UserService:
    """Stands for the user service: knows some people, may be away, and *meanwhile* is what happens while it answers."""

    def __init__(self) -> None:
        self.people: dict[UserId, WalkerNews] = {}
        self.asked: list[UserId] = []
        self.away = False
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    def knows(self, user: UserId, zone: str, nickname: str = "asked") -> None:
        self.people[user] = WalkerNews(user, nickname, "", BEFORE_EVENTS, zone)

    async def __call__(self, user: UserId, /) -> WalkerNews | None:
        self.asked.append(user)
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.away:
            raise ServiceUnavailable
        return self.people.get(user)


class Town:
    """What the step service has of walkers, beside that user service."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock, self.users = database, clock, UserService()
        self.announced = Announced()
        self.projections = Projections(database, self._announce)
        self.newcomers = Newcomers(self.projections, self.users, monotonic=clock.monotonic, ask_s=60.0)
        self.zones = Zones(database, meet=self.newcomers.meet, monotonic=clock.monotonic)
        self.circles = Circles(
            database, heard=lambda: True, meet=self.newcomers.meet, monotonic=clock.monotonic, now=clock.now
        )

    async def _announce(self, users: Collection[bytes], *, at_once: bool = True) -> None:
        await self.announced(users, at_once=at_once)
        self.zones.drop(users)
        self.circles.drop(users)

    async def seen(self, user: UserId) -> tuple[str, str, bool]:
        """Name and zone on the walker's own board, and whether they are known; days follow the same zone."""
        me: Person = (await self.circles.of(user)).me
        assert (await self.zones.of(user)).newest == me.zones.newest
        return me.nickname, me.zones.newest.key, me.known


@pytest.fixture
async def town(step_url: str) -> AsyncIterator[Town]:
    async with Database(step_url, pool_size=1) as database:
        yield (town := Town(database, FakeClock()))
        await town.newcomers.stop()


async def test_a_newcomer_is_asked_about_once_however_many_calls_wait(town: Town) -> None:
    me = someone()
    town.users.knows(me, SEOUL, "Ann")
    found = await asyncio.gather(*(town.seen(me) for _ in range(20)))
    assert set(found) == {("Ann", SEOUL, True)}
    assert town.users.asked == [me]
    assert town.announced == [{me.bytes}]
    before = await queries(town.database)
    assert await town.seen(me) == ("Ann", SEOUL, True)
    assert await queries(town.database) == before


async def test_who_is_known_is_not_asked_about(town: Town) -> None:
    me = someone()
    await town.projections.take([signed_up(me, "Ann", SEOUL)])
    assert await town.seen(me) == ("Ann", SEOUL, True)
    assert town.users.asked == []


@pytest.mark.parametrize("away", [False, True])
async def test_who_stays_unknown_lives_in_utc_and_is_asked_about_again_after_a_while(town: Town, *, away: bool) -> None:
    me = someone()
    town.users.away = away
    assert [await town.seen(me) for _ in range(3)] == [NAMELESS] * 3
    assert await town.zones.find(me) is None
    assert town.users.asked == [me]
    town.users.away = False
    town.users.knows(me, SEOUL, "Ann")
    town.clock.advance(AGAIN_S + 0.1)
    assert await town.seen(me) == ("Ann", SEOUL, True)
    assert town.users.asked == [me, me]


async def test_an_event_ends_what_is_remembered_of_the_unknown(town: Town) -> None:
    me = someone()
    assert await town.seen(me) == NAMELESS
    await town.projections.take([signed_up(me, "Ann", SEOUL)])
    assert await town.seen(me) == ("Ann", SEOUL, True)


async def test_what_an_event_tells_stands_before_during_and_after_the_question(town: Town) -> None:
    before, during, after, moved = (someone() for _ in range(4))
    for user in (before, during, after, moved):
        town.users.knows(user, LIMA)

    await town.projections.take([signed_up(before, "told", SEOUL)])
    assert await town.projections.introduce(town.users.people[before])
    assert await town.seen(before) == ("told", SEOUL, True)

    told = signed_up(during, "told", SEOUL)
    town.users.meanwhile = lambda: town.projections.take([told])
    assert await town.seen(during) == ("told", SEOUL, True)
    town.users.meanwhile = None

    assert await town.seen(after) == ("asked", LIMA, True)
    await town.projections.take([signed_up(after, "told", SEOUL)])
    assert await town.seen(after) == ("told", SEOUL, True)

    # The answer is from behind a move and a new name: their events come in order behind the sign-up.
    assert await town.seen(moved) == ("asked", LIMA, True)
    later = NOON + timedelta(minutes=1)
    await town.projections.take([signed_up(moved, "old", SEOUL, told=NOON)])
    await town.projections.take(
        [
            Moved(EventId(new_uuid7()), moved, LIMA, date(2026, 5, 21), later),
            Renamed(EventId(new_uuid7()), WalkerNews(moved, "new", "", later)),
        ]
    )
    assert await town.seen(moved) == ("new", LIMA, True)
    assert (await town.zones.of(moved)).on(date(2026, 5, 20)).key == SEOUL
    assert town.users.asked == [during, after, moved]


async def test_who_is_deleted_while_being_asked_about_does_not_come_back(town: Town) -> None:
    me = someone()
    town.users.knows(me, SEOUL)

    async def delete() -> None:
        async with town.database.transaction() as tx:
            await tombstones.add(tx, me, NOON)

    town.users.meanwhile = delete
    assert await town.seen(me) == NAMELESS
    async with town.database.reading() as tx:
        assert await tx.one("SELECT COUNT(*) FROM walker") == (0,)
    assert town.announced == []


async def test_who_leaves_or_has_no_time_does_not_take_the_answer_from_others(town: Town) -> None:
    me, answer, asked = someone(), asyncio.Event(), asyncio.Event()
    town.users.knows(me, SEOUL)

    async def meanwhile() -> None:
        asked.set()
        await answer.wait()

    town.users.meanwhile = meanwhile
    leaving = asyncio.create_task(town.newcomers.meet(me))
    await asked.wait()
    leaving.cancel()
    await asyncio.wait({leaving})
    assert leaving.cancelled()
    with deadline(0):
        assert not await town.newcomers.meet(me)
    waiting = asyncio.create_task(town.newcomers.meet(me))
    answer.set()
    assert await waiting
    assert town.users.asked == [me]


async def test_questions_are_bounded_and_so_is_what_is_remembered(town: Town) -> None:
    at_once, most, first = 0, 0, someone()

    async def meanwhile() -> None:
        nonlocal at_once, most
        at_once, most = at_once + 1, max(most, at_once + 1)
        await asyncio.sleep(0)
        at_once -= 1

    town.users.meanwhile = meanwhile
    strangers = [first, *(someone() for _ in range(MOST_UNKNOWN))]
    for start in range(0, len(strangers), 500):
        assert not any(await asyncio.gather(*map(town.newcomers.meet, strangers[start : start + 500])))
    assert most <= ASK_AT_ONCE
    town.users.asked.clear()
    await asyncio.gather(town.newcomers.meet(strangers[-1]), town.newcomers.meet(first))
    assert town.users.asked == [first]


@pytest.mark.parametrize(
    ("now", "zone", "day", "outcome"),
    [
        # 08:00 in Seoul: the new date, which UTC has not seen.
        (datetime(2026, 5, 19, 23, tzinfo=UTC), SEOUL, date(2026, 5, 20), Outcome.ACCEPTED),
        # Yesterday is final in Seoul and in UTC, and not in Lima.
        (NOON, SEOUL, date(2026, 5, 19), Outcome.ACCEPTED_DAY_FINAL),
        (NOON, "UTC", date(2026, 5, 19), Outcome.ACCEPTED_DAY_FINAL),
        (NOON, LIMA, date(2026, 5, 19), Outcome.ACCEPTED),
        # Nobody can say where they live: it is not final everywhere.
        (NOON, None, date(2026, 5, 19), Outcome.ACCEPTED),
        (NOON, None, date(2026, 5, 18), Outcome.ACCEPTED_DAY_FINAL),
    ],
)
async def test_the_first_readings_are_judged_by_the_newcomers_own_zone(
    process: Process, now: datetime, zone: str | None, day: date, outcome: Outcome
) -> None:
    town, me = Town(process.database, FakeClock(now)), someone()
    if zone is None:
        town.users.away = True
    else:
        town.users.knows(me, zone)
    readings = Readings(process.ingest, town.zones, town.clock)
    moment = readings.moment()
    judged = moment.window.judge(
        device_id="phone", date_text=str(day), slot=7, steps=500, recorded_ms=moment.now_ms, source=1,
        now_ms=moment.now_ms,
    )  # fmt: skip
    taken = await readings.take(me, [judged], patient=False)
    assert list((await taken.durable()).outcomes) == [outcome]


async def test_a_newcomer_of_whom_no_event_arrives_uploads_sets_a_goal_and_sees_their_own_board(
    servers: Servers, mysql_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The user service's events go elsewhere; its clock and that of the step service are real."""
    now = datetime.now(UTC)
    # One of the two has another date than UTC, at whatever hour this runs.
    zone = "Pacific/Kiritimati" if now.hour >= 10 else "Pacific/Pago_Pago"
    async with AsyncExitStack() as stack:
        user_url = await stack.enter_async_context(fresh_database(servers))
        world = await stack.enter_async_context(open_world(tmp_path, user_url, redis_url))
        step = await stack.enter_async_context(
            serving(
                "step",
                StepConfig,
                build,
                folder=tmp_path,
                mysql_url=mysql_url,
                redis_url=redis_url,
                settings={"user_address": world.service.internal_address},
            )
        )
        ann, ben = await world.sign_up("Ann", time_zone=zone), await world.sign_up("Ben", time_zone=zone)
        me, other = UserId(UUID(ann.user_id)), UserId(UUID(ben.user_id))
        today = datetime.now(ZoneInfo(zone)).date()

        async def lives_in() -> Any:
            await call(step, GOALS + "/GetGoal", other)
            return await run_on(mysql_url, fill("SELECT time_zone FROM walker WHERE user_id = %s", (other,)))

        async def known() -> Any:
            # At once, but for a machine on which the question takes too long; then it is asked again.
            board = (await call(step, BOARDS + "/GetFriendLeaderboard", me)).leaderboard
            (entry,) = board.entries
            return entry if board.date == str(today) and entry.nickname else None

        reading = {"deviceId": "phone", "date": str(today), "hour": 0, "steps": 700}
        answer = await call(step, "firewalker.step.v1.StepService/RecordSteps", me, readings=[reading])
        assert [result.verdict for result in answer.results] == [1]  # ACCEPTED
        assert await eventually(lives_in) == [(zone,)]
        entry = await eventually(known)
        assert (entry.nickname, entry.steps) == ("Ann", 700)
        goal = (await call(step, GOALS + "/SetGoal", me, dailySteps=8_000)).goal
        assert goal.first_date == str(today)
