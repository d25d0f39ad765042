"""Goals through the door of a running step service: set, read, shown to friends, told of once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, Transaction
from firewalker.runtime.outbox import Outbox
from firewalker.step.app import build
from firewalker.step.boards_part import BoardsPart
from firewalker.step.config import StepConfig
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.goal import GoalReached, Goals
from firewalker.step.events import OutboxFacts
from firewalker.step.live import Frame, LiveTotals
from firewalker.step.store import goals
from firewalker.step.usecases.reached_goals import ReachedGoals
from tests.service.step.calls import BOARDS, GOALS, Event, befriend, call, eventually, record, refusal, sign_up
from tests.service.step.reading import someone
from tests.support.services import Service, serving
from tests.support.waiting import until

TODAY = datetime.now(UTC).date()


@pytest.fixture
async def step(mysql_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving("step", StepConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url) as service:
        yield service


@pytest.fixture
async def database(step: Service, mysql_url: str) -> AsyncIterator[Database]:
    del step
    async with Database(mysql_url) as database:
        yield database


async def set_goal(step: Service, user: UserId, daily_steps: int, *, shared: bool = False) -> Any:
    answer = await call(step, GOALS + "/SetGoal", user, dailySteps=daily_steps, shared=shared)
    return answer.goal


async def told(database: Database, kind: str, destination: str) -> list[Any]:
    """The events of *kind* that were written down; no service takes them, so they all are still there."""
    async with database.reading() as tx:
        rows = await tx.all(
            "SELECT payload FROM outbox WHERE kind = %s AND destination = %s ORDER BY position", (kind, destination)
        )
    return [Event.FromString(payload) for (payload,) in rows]


async def reached_on_board(step: Service, viewer: UserId, subject: UserId) -> bool:
    answer = await call(step, BOARDS + "/GetFriendLeaderboard", viewer, date=str(TODAY))
    (row,) = [entry for entry in answer.leaderboard.entries if entry.user_id == str(subject)]
    return bool(row.goal_reached)


async def test_a_goal_counts_from_the_next_date_the_first_one_at_once(step: Service, database: Database) -> None:
    me = someone()
    answer = await call(step, GOALS + "/GetGoal", me)
    assert answer.HasField("goal")
    assert (answer.goal.daily_steps, answer.goal.first_date) == (0, "")
    first = await set_goal(step, me, 8_000, shared=True)
    assert (first.daily_steps, first.shared, first.first_date, first.current_daily_steps) == (
        8_000, True, str(TODAY), 8_000,
    )  # fmt: skip
    second = await set_goal(step, me, 9_000, shared=True)
    assert (second.daily_steps, second.first_date, second.current_daily_steps) == (
        9_000, str(TODAY + timedelta(days=1)), 8_000,
    )  # fmt: skip
    assert (await call(step, GOALS + "/GetGoal", me)).goal == second
    assert await set_goal(step, me, 9_000, shared=True) == second
    events = await told(database, "GoalSet", "user")
    assert [(event.goal_set.daily_steps, event.goal_set.first_date) for event in events] == [
        (8_000, str(TODAY)), (9_000, str(TODAY + timedelta(days=1))),
    ]  # fmt: skip
    assert not await told(database, "GoalSet", "notification")


@pytest.mark.parametrize(("steps", "reason"), [(99, "GOAL_OUT_OF_RANGE"), (100_001, "GOAL_OUT_OF_RANGE"), (0, "INVALID_REQUEST")])  # fmt: skip
async def test_goals_out_of_range_are_refused(step: Service, steps: int, reason: str) -> None:
    assert await refusal(set_goal(step, someone(), steps)) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


@pytest.mark.parametrize("method", ["GetGoal", "SetGoal"])
async def test_nobody_has_no_goal_and_each_user_only_their_own(step: Service, method: str) -> None:
    asked = {"dailySteps": 500} if method == "SetGoal" else {}
    code, _ = await refusal(call(step, f"{GOALS}/{method}", None, **asked))
    assert code is grpc.StatusCode.UNAUTHENTICATED
    me, other = someone(), someone()
    await set_goal(step, me, 500)
    assert (await call(step, GOALS + "/GetGoal", other)).goal.daily_steps == 0


async def test_friends_see_a_reached_goal_only_while_it_is_shared(step: Service) -> None:
    me, friend = someone(), someone()
    await befriend(step, me, friend)
    await set_goal(step, me, 1_000)
    await record(step, me, 1_000, TODAY)
    assert await reached_on_board(step, me, me)
    assert not await reached_on_board(step, friend, me)
    await set_goal(step, me, 1_000, shared=True)
    await eventually(lambda: reached_on_board(step, friend, me))
    await set_goal(step, me, 1_000, shared=False)
    await eventually(lambda: _not(reached_on_board(step, friend, me)))
    assert await reached_on_board(step, me, me)


async def test_a_goal_that_was_committed_and_not_announced_is_announced_when_it_is_set_again(
    step: Service, database: Database
) -> None:
    me, friend = someone(), someone()
    for user in (me, friend):
        await sign_up(step, user)  # else they are looked up again within seconds
    await befriend(step, me, friend)
    await set_goal(step, me, 1_000, shared=True)
    await record(step, me, 1_000, TODAY)
    await eventually(lambda: reached_on_board(step, friend, me))
    parts = [part for part in step.app.parts if isinstance(part, BoardsPart)]
    await until(lambda: all(part.announcements.heard for part in parts))  # else circles are read again within seconds
    async with database.transaction() as tx:  # as if the answer to COMMIT was lost, or the process had died behind it
        await tx.execute("UPDATE goal_owner SET shared = 0 WHERE user_id = %s", (me,))
    assert await reached_on_board(step, friend, me)
    await set_goal(step, me, 1_000, shared=False)
    await eventually(lambda: _not(reached_on_board(step, friend, me)))


async def _not(answer: Any) -> bool:
    return not await answer


async def test_a_reached_goal_is_told_once_and_to_whom_it_is_shared_with(step: Service, database: Database) -> None:
    me, friend = someone(), someone()
    await befriend(step, me, friend)
    await set_goal(step, me, 1_000, shared=True)
    await record(step, me, 999, TODAY)
    await record(step, me, 1_000, TODAY)
    await eventually(lambda: told(database, "GoalReached", "notification"))
    await record(step, me, 2_000, TODAY)
    await record(step, me, 3_000, TODAY, device="watch")
    later = someone()
    await set_goal(step, later, 500)
    await record(step, later, 501, TODAY)

    async def both() -> bool:
        return len(await told(database, "GoalReached", "notification")) >= 2

    await eventually(both)
    mine, others = (event.goal_reached for event in await told(database, "GoalReached", "notification"))
    assert (mine.walker.user_id, mine.date, mine.daily_steps) == (str(me), str(TODAY), 1_000)
    assert list(mine.told_user_ids) == [str(friend)]
    assert (others.walker.user_id, list(others.told_user_ids)) == (str(later), [])
    assert not await told(database, "GoalReached", "user")


async def test_a_process_that_starts_tells_of_goals_that_another_left_untold(
    mysql_url: str, redis_url: str, tmp_path: Path
) -> None:
    me = someone()
    start = partial(serving, "step", StepConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url)
    async with start() as step, Database(mysql_url) as database:
        await set_goal(step, me, 1_000)
        await record(step, me, 1_000, TODAY)
        await eventually(lambda: told(database, "GoalReached", "notification"))
        async with database.transaction() as tx:  # as if it had died after the commit of the readings
            await tx.execute("DELETE FROM goal_reached WHERE date = %s", (TODAY,))
            await tx.execute("DELETE FROM outbox WHERE kind = %s", ("GoalReached",))
    async with start(), Database(mysql_url) as database:
        await eventually(lambda: told(database, "GoalReached", "notification"))


async def test_a_day_that_is_over_is_not_congratulated(step: Service, database: Database) -> None:
    me, other = someone(), someone()
    await sign_up(step, me, "Pacific/Kiritimati")  # 14 hours ahead: two days ago is over in any case
    await set_goal(step, me, 100)
    async with database.transaction() as tx:
        await tx.execute("UPDATE goal SET first_date = %s WHERE user_id = %s", (TODAY - timedelta(days=5), me))
    await record(step, me, 5_000, TODAY - timedelta(days=2))
    await set_goal(step, other, 100)
    await record(step, other, 5_000, TODAY)
    await eventually(lambda: told(database, "GoalReached", "notification"))
    assert [event.goal_reached.walker.user_id for event in await told(database, "GoalReached", "notification")] == [
        str(other)
    ]


class SettingMeanwhile(OutboxFacts):
    """Writes nothing down; when the first goal is told of, *other* sets one of their own, and that is announced."""

    def __init__(self, database: Database, other: UserId) -> None:
        super().__init__(Outbox("notification"), SystemClock())
        self.told: list[bytes] = []
        self.reached: ReachedGoals
        self._database = database
        self._other = other

    async def add_goal_reached(self, tx: Transaction, fact: GoalReached) -> None:
        del tx
        if not self.told:
            async with self._database.transaction() as other:
                await goals.save(other, self._other, await goals.lock(other, self._other), Goals(((TODAY, 500),)))
            self.reached.forget([self._other.bytes])
        self.told.append(fact.user_id)


async def test_a_first_goal_that_is_set_while_others_are_looked_at_is_noticed(
    step: Service, database: Database, redis_url: str
) -> None:
    del step
    me, other = someone(), someone()
    async with database.transaction() as tx:
        await goals.save(tx, me, await goals.lock(tx, me), Goals(((TODAY, 1_000),)))
    live = LiveTotals(redis_url, database, SystemClock())
    facts = SettingMeanwhile(database, other)
    facts.reached = ReachedGoals(database, live, facts, SystemClock())
    await facts.reached.start()
    now_ms = to_ms(datetime.now(UTC))
    live.announce(Frame(TODAY, [(user.bytes, UserTotal(1_500, now_ms, now_ms)) for user in (me, other)]))
    await until(lambda: facts.told == [me.bytes, other.bytes])
    await facts.reached.stop()
