"""Statistics through the door of a running step service."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database
from firewalker.step.app import build
from firewalker.step.config import StepConfig
from firewalker.step.domain.day import to_ms
from firewalker.step.store import days
from tests.service.step.calls import GOALS, STATS, STEPS, befriend, call, record, refusal
from tests.service.step.reading import someone
from tests.support.services import Service, serving

NOW = datetime.now(UTC)
TODAY = NOW.date()


@pytest.fixture
async def step(mysql_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving("step", StepConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url) as service:
        yield service


async def walked(
    mysql_url: str, user: UserId, steps: dict[int, int], *, device: str = "phone", late: bool = False
) -> None:
    """Have *user* walked so many steps so many days ago, at 9 o'clock."""
    rises = [
        days.Rise(user.bytes, TODAY - timedelta(days=ago), device, late, 1, to_ms(NOW), to_ms(NOW), 0, (count,))
        for ago, count in steps.items()
    ]
    async with Database(mysql_url) as database, database.transaction() as tx:
        await days.raise_counts(tx, (9,), rises)


async def stats(step: Service, user: UserId | None, period: str, **asked: str) -> Any:
    return (await call(step, f"{STATS}/GetMyStats", user, period=period, **asked)).stats


async def test_a_day_is_shown_by_hour_with_the_goal_of_the_date(step: Service) -> None:
    me = someone()
    await call(step, f"{GOALS}/SetGoal", me, dailySteps=700)
    for hour, steps in ((8, 300), (10, 500)):
        await record(step, me, steps, TODAY, hour=hour)
    await record(step, me, 400, TODAY, hour=10, device="watch")
    shown = await stats(step, me, "DAY")
    assert (shown.start_date, shown.end_date, len(shown.series)) == (str(TODAY), str(TODAY), 24)
    assert [(point.hour, point.value) for point in shown.series if point.value] == [(8, 300), (10, 500)]
    assert [point.has_data for point in shown.series] == [True] * 11 + [False] * 13
    assert [point.goal_reached for point in shown.series] == [False] * 10 + [True] * 14
    assert {point.goal for point in shown.series} == {700}
    assert (shown.total, shown.average, shown.days_with_data) == (800, 800, 1)
    assert (shown.best_day.date, shown.best_day.steps) == (str(TODAY), 800)


async def test_a_week_has_gaps_and_is_compared_with_the_week_before(step: Service, mysql_url: str) -> None:
    me = someone()
    weekday = TODAY.weekday()
    await walked(mysql_url, me, {weekday: 900, weekday + 7: 400, weekday + 1: 800})  # Monday; one and two weeks' before
    await walked(mysql_url, me, {weekday: 100}, device="watch", late=True)  # less than the phone: changes nothing
    shown = await stats(step, me, "WEEK")
    monday = TODAY - timedelta(days=weekday)
    assert [point.date for point in shown.series] == [str(monday + timedelta(days=count)) for count in range(7)]
    assert [point.has_data for point in shown.series] == [True] + [False] * 6
    assert (shown.total, shown.average) == (900, 900)
    previous = shown.previous
    assert (previous.total, previous.average, previous.days_with_data, previous.change_percent) == (1_200, 600, 2, 50)
    assert previous.end_date == str(monday - timedelta(days=1))


async def test_late_readings_are_in_the_owners_history_and_not_in_what_friends_are_compared_by(
    step: Service, mysql_url: str
) -> None:
    me, friend = someone(), someone()
    await befriend(step, me, friend)
    await walked(mysql_url, friend, {0: 5_000})
    await walked(mysql_url, friend, {0: 9_000}, device="watch", late=True)
    assert (await stats(step, friend, "DAY")).total == 9_000
    mine = await stats(step, me, "DAY")
    assert (mine.friends.median, mine.friends.count) == (5_000, 1)
    assert not mine.days_with_data
    assert not mine.HasField("best_day")
    assert not mine.previous.HasField("change_percent")


@pytest.mark.requirement("DATA-21")
async def test_a_correction_of_a_final_day_counts_in_the_owners_statistics_alone(step: Service, mysql_url: str) -> None:
    me, friend = someone(), someone()
    await befriend(step, me, friend)
    await call(step, f"{GOALS}/SetGoal", me, dailySteps=400)
    async with Database(mysql_url) as database, database.transaction() as tx:
        await tx.execute("UPDATE goal SET first_date = %s", (TODAY - timedelta(days=30),))
    ago = TODAY.weekday() + 7  # the Monday of last week
    await walked(mysql_url, me, {ago: 9_000, ago - 1: 500})
    await walked(mysql_url, me, {ago - 2: 700}, late=True)
    corrected, next_day, late_day = (str(TODAY - timedelta(days=ago - days)) for days in range(3))
    hours = [100 if hour == 9 else 0 for hour in range(24)]
    await call(step, f"{STEPS}/CorrectDay", me, date=corrected, deviceId="phone", hours=hours)
    day = await stats(step, me, "DAY", date=corrected)
    assert [(point.hour, point.value) for point in day.series if point.value] == [(9, 100)]
    assert day.total == 100
    week = await stats(step, me, "WEEK", date=corrected)
    assert [(point.date, point.value) for point in week.series if point.has_data] == [
        (corrected, 100), (next_day, 500), (late_day, 700),
    ]  # fmt: skip
    assert (week.total, week.best_day.date, week.streaks.longest) == (1_300, late_day, 2)
    assert (await stats(step, friend, "WEEK", date=corrected)).friends.median == (9_000 + 500) // 2
    await call(step, f"{STEPS}/CorrectDay", me, date=corrected, deviceId="phone", hours=[0] * 24)
    assert (await stats(step, me, "WEEK", date=corrected)).total == 1_200


async def test_friends_count_from_the_date_on_which_they_became_friends(step: Service, mysql_url: str) -> None:
    me, old, new = someone(), someone(), someone()
    await befriend(step, me, old)
    await befriend(step, me, new, since=NOW)
    for friend in (old, new):
        await walked(mysql_url, friend, {0: 1_000, 1: 5_000})
    await walked(mysql_url, someone(), {0: 60_000})  # a stranger
    year = (await stats(step, me, "YEAR", date=str(TODAY))).friends
    if (TODAY - timedelta(days=1)).year == TODAY.year:
        assert (year.median, year.count) == ((3_000 + 1_000) // 2, 2)
    assert (await stats(step, me, "DAY", date=str(TODAY - timedelta(days=1)))).friends.count == 1


async def test_streaks_count_settled_days_and_goals_as_of_the_date(step: Service, mysql_url: str) -> None:
    me = someone()
    await call(step, f"{GOALS}/SetGoal", me, dailySteps=1_000)
    async with Database(mysql_url) as database, database.transaction() as tx:
        await tx.execute("UPDATE goal SET first_date = %s", (TODAY - timedelta(days=6),))
    await walked(mysql_url, me, dict.fromkeys(range(9), 1_000))
    streaks = (await stats(step, me, "MONTH")).streaks
    settled = 1 if NOW.hour >= 12 else 2  # yesterday is final at noon (the walker lives in UTC)
    assert (streaks.current, streaks.longest) == (7 - settled, 7 - settled)


@pytest.mark.parametrize(("asked", "code", "reason"), [
    ({}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    ({"period": 9}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    ({"period": "DAY", "date": "2026-13-01"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    ({"period": "DAY", "date": "0001-01-01"}, grpc.StatusCode.OUT_OF_RANGE, "STATS_DATE_OUT_OF_RANGE"),
    ({"period": "YEAR", "date": "2999-01-01"}, grpc.StatusCode.OUT_OF_RANGE, "STATS_DATE_OUT_OF_RANGE"),
])  # fmt: skip
async def test_what_cannot_be_told_is_refused(step: Service, asked: dict[str, Any], code: Any, reason: str) -> None:
    assert await refusal(call(step, f"{STATS}/GetMyStats", someone(), **asked)) == (code, reason)


async def test_nobody_has_no_statistics_and_each_user_only_their_own(step: Service, mysql_url: str) -> None:
    me = someone()
    await walked(mysql_url, me, {0: 500})
    code, _ = await refusal(stats(step, None, "DAY"))
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert (await stats(step, someone(), "DAY")).total == 0
    assert (await stats(step, me, "DAY")).total == 500
