"""Groups through the doors of a running step service: what is told of them, boards, statistics, who sees what."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.runtime.mysql import Database
from firewalker.step.app import build
from firewalker.step.config import StepConfig
from firewalker.step.live import LiveTotals
from tests.service.step.calls import BOARDS, GOALS, STATS, call, deliver, event, eventually, record, refusal
from tests.service.step.reading import Watch, someone
from tests.service.step.test_stats import walked
from tests.support.services import Service, serving
from tests.system.wire import Refusal, answer_class, request_of

NOW = datetime.now(UTC)
TODAY = NOW.date()
LONG_AGO = NOW - timedelta(days=400)
NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "GROUP_NOT_FOUND")
METHODS = (f"{BOARDS}/GetGroupLeaderboard", f"{STATS}/GetGroupStats", f"{STATS}/GetGroupChart")


@pytest.fixture
async def step(mysql_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving("step", StepConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url) as service:
        yield service


def named(group: UUID, name: str = "걷기 모임") -> Any:
    told = event()
    told.group_changed.group_id, told.group_changed.name = str(group), name
    return told


def joined(group: UUID, user: UserId, at: datetime = LONG_AGO) -> Any:
    told = event()
    member = told.group_member_joined
    member.group_id, member.group_name = str(group), "걷기 모임"
    member.member.user_id, member.member.nickname = str(user), f"n-{user.hex[-6:]}"
    member.join_time.FromDatetime(at.replace(tzinfo=None))
    return told


def left(group: UUID, user: UserId, at: datetime) -> Any:
    told = event()
    told.group_member_left.group_id, told.group_member_left.user_id = str(group), str(user)
    told.group_member_left.leave_time.FromDatetime(at.replace(tzinfo=None))
    return told


def deleted(group: UUID) -> Any:
    told = event()
    told.group_deleted.group_id = str(group)
    return told


def blocked(one: UserId, other: UserId) -> Any:
    told = event()
    told.user_blocked.blocker_id, told.user_blocked.blocked_id = str(one), str(other)
    return told


def shows(user: UserId, visibility: int) -> Any:
    told = event()
    told.visibility_changed.user_id, told.visibility_changed.visibility = str(user), visibility
    return told


async def new_group(step: Service, *members: UserId) -> UUID:
    group = new_uuid7()
    await deliver(step, named(group), *(joined(group, user) for user in members))
    return group


async def board(
    step: Service, viewer: UserId, group: UUID, period: str | int = "DAY", **asked: str
) -> dict[str, tuple[int, int]]:
    answer = await call(step, METHODS[0], viewer, groupId=str(group), period=period, **asked)
    return {entry.user_id: (entry.rank, entry.steps) for entry in answer.leaderboard.entries}


async def stats(step: Service, viewer: UserId, group: UUID, period: str) -> Any:
    return (await call(step, f"{STATS}/GetGroupStats", viewer, groupId=str(group), period=period)).stats


async def walk(step: Service, mysql_url: str, user: UserId, steps: dict[int, int]) -> None:
    """Have *user* walked so many steps so many days ago, as standings know it. Written past the service, which is told."""
    await walked(mysql_url, user, steps)
    for part in step.app.parts:
        if isinstance(part, LiveTotals):
            part.give_up()


async def test_members_are_compared_by_day_week_and_month(step: Service, mysql_url: str) -> None:
    me, other, stranger = someone(), someone(), someone()
    group = await new_group(step, me, other)
    await walk(step, mysql_url, me, dict.fromkeys(range(40), 1000))
    await walk(step, mysql_url, other, dict.fromkeys(range(40), 1100))
    await record(step, stranger, 9_000, TODAY)
    await record(step, me, 500, TODAY, hour=11)
    for period, days in (("DAY", 1), ("WEEK", TODAY.weekday() + 1), ("MONTH", TODAY.day)):
        mine, theirs = 1_000 * days + 500, 1_100 * days
        ranks = (1, 2) if mine > theirs else (1, 1) if mine == theirs else (2, 1)
        assert await board(step, me, group, period) == {
            str(me): (ranks[0], mine), str(other): (ranks[1], theirs),
        }, period  # fmt: skip
    month_ago = (TODAY.replace(day=1) - timedelta(days=1)).isoformat()
    whole = await board(step, me, group, "MONTH", date=month_ago)
    assert whole[str(me)][1] < whole[str(other)][1]


async def test_only_days_of_membership_count_and_who_left_is_gone(step: Service, mysql_url: str) -> None:
    me, new, gone = someone(), someone(), someone()
    group = await new_group(step, me, gone)
    await deliver(step, joined(group, new, NOW), left(group, gone, NOW))
    for user in (me, new, gone):
        await walk(step, mysql_url, user, dict.fromkeys(range(31), 100))
    month = await board(step, me, group, "MONTH")
    assert month == {str(me): (1, 100 * TODAY.day), str(new): (1 if TODAY.day == 1 else 2, 100)}
    yesterday = (TODAY - timedelta(days=1)).isoformat()
    assert (await board(step, me, group, date=yesterday)).keys() == {str(me)}
    assert await refusal(board(step, gone, group)) == NOT_FOUND


async def test_what_is_told_of_groups_may_come_in_any_order_and_again(step: Service) -> None:
    me, back_again, gone = someone(), someone(), someone()
    group, over = new_uuid7(), new_uuid7()
    told = [
        named(group), joined(group, me), joined(group, back_again), left(group, back_again, NOW - timedelta(days=9)),
        joined(group, back_again, NOW - timedelta(days=2)), joined(group, gone), left(group, gone, NOW - timedelta(days=1)),
        joined(over, me), deleted(over), named(over),
    ]  # fmt: skip
    random.Random(7).shuffle(told)
    for one in [*told, *told[:3]]:
        await deliver(step, one)
    assert (await board(step, me, group)).keys() == {str(me), str(back_again)}
    assert await refusal(board(step, me, over)) == NOT_FOUND
    await deliver(step, deleted(group))
    assert await refusal(board(step, me, group)) == NOT_FOUND


@pytest.mark.parametrize("method", METHODS)
async def test_groups_are_there_for_their_members_only(step: Service, method: str) -> None:
    me, stranger = someone(), someone()
    group = await new_group(step, me)
    asked = {"groupId": str(group), "period": "WEEK"}
    assert (await refusal(call(step, method, None, **asked)))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert await refusal(call(step, method, stranger, **asked)) == NOT_FOUND
    assert await refusal(call(step, method, me, groupId=str(new_uuid7()), period="WEEK")) == NOT_FOUND
    await call(step, method, me, **asked)
    wrong = {"groupId": "x", "period": "WEEK", "date": "soon"}
    assert (await refusal(call(step, method, me, **wrong)))[1] == "INVALID_REQUEST"
    old = await refusal(call(step, method, me, date="1999-12-31", **asked))
    assert old == (grpc.StatusCode.OUT_OF_RANGE, "STATS_DATE_OUT_OF_RANGE")


async def test_there_is_no_board_of_a_groups_year(step: Service) -> None:
    me = someone()
    group = await new_group(step, me)
    assert (await refusal(board(step, me, group, 4))) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


@pytest.mark.requirement("PRIV-01")
async def test_a_shared_group_counts_like_friendship_and_a_block_hides_both_ways(step: Service, mysql_url: str) -> None:
    me, rounded, hidden, enemy = (someone() for _ in range(4))
    group = await new_group(step, me, rounded, hidden, enemy)
    for number, user in enumerate((me, rounded, hidden, enemy)):
        await walk(step, mysql_url, user, {0: 1_700 + number})
    await deliver(step, shows(rounded, 2), shows(hidden, 4), blocked(enemy, me))

    async def settled() -> bool:
        return await board(step, me, group) == {str(rounded): (1, 1_500), str(me): (2, 1_700), str(hidden): (0, 0)}

    await eventually(settled)
    assert str(me) not in await board(step, enemy, group)
    shown = await stats(step, me, group, "DAY")
    assert [(one.user_id, one.total, one.hidden, one.me) for one in shown.members] == [
        (str(me), 1_700, False, True), (str(rounded), 1_500, False, False), (str(hidden), 0, True, False),
    ]  # fmt: skip
    assert (shown.total, shown.active_members, shown.mean_per_active_member) == (3_200, 2, 1_600)
    assert not shown.HasField("distribution")


async def test_statistics_have_series_sums_and_from_5_members_on_a_distribution(step: Service, mysql_url: str) -> None:
    people = [someone() for _ in range(6)]
    group = await new_group(step, *people)
    for number, user in enumerate(people[:5], 1):
        await walk(step, mysql_url, user, {0: 1_000 * number, 60: 50})
    shown = await stats(step, people[0], group, "WEEK")
    assert [one.total for one in shown.members] == [5_000, 4_000, 3_000, 2_000, 1_000, 0]
    assert [point.has_data for point in shown.members[0].series].count(True) == 1
    assert [point.value for point in shown.sums if point.has_data] == [15_000]
    assert (shown.active_members, shown.mean_per_active_member) == (5, 3_000)
    shape = shown.distribution
    assert (shape.least, shape.lower_quartile, shape.median, shape.upper_quartile, shape.most) == (
        1_000, 1_500, 3_000, 4_500, 5_000,
    )  # fmt: skip
    year = await stats(step, people[0], group, "YEAR")
    assert [point.date[5:] for point in year.sums] == [f"{month:02d}-01" for month in range(1, 13)]
    if (TODAY - timedelta(days=60)).year == TODAY.year:
        assert year.total == 15_250
    picture = await call(step, f"{STATS}/GetGroupChart", people[0], groupId=str(group), period="MONTH", format="PNG")
    assert picture.picture.data.startswith(b"\x89PNG")


def watching(step: Service, viewer: UserId, group: UUID, period: str, **asked: str) -> Watch:
    path = f"{BOARDS}/WatchGroupLeaderboard"
    method = step.public.unary_stream(
        f"/{path}", request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=answer_class(path).FromString,
    )  # fmt: skip
    request = request_of(path, {"groupId": str(group), "period": period, **asked})
    return Watch(method(request, metadata=step.as_user(viewer)))


@pytest.mark.parametrize("period", ["DAY", "MONTH"])
async def test_a_watched_group_shows_what_members_walk_and_ends_for_who_leaves(
    step: Service, mysql_url: str, period: str
) -> None:
    me, other, new = someone(), someone(), someone()
    group = await new_group(step, me, other)
    await walk(step, mysql_url, other, dict.fromkeys(range(3, 40), 100))
    before = (await board(step, me, group, period))[str(other)][1]
    watch = watching(step, me, group, period)
    await watch.next()
    assert (watch.kinds, set(watch.entries)) == (["snapshot"], {str(me), str(other)})
    await record(step, other, 400, TODAY)
    await watch.until({other: before + 400})
    assert watch.entries[str(other)].rank == 1
    await record(step, me, 10_000, TODAY)
    await watch.until({me: 10_000})
    assert [watch.entries[str(user)].rank for user in (me, other)] == [1, 2]
    again = watching(step, me, group, period, resumeVersion=watch.version)
    await again.next()
    assert again.kinds == ["changes"]
    again.cancel()
    await deliver(step, joined(group, new, NOW))
    async with asyncio.timeout(60):
        while str(new) not in watch.entries:
            await watch.next()
    await deliver(step, left(group, other, datetime.now(UTC)))
    async with asyncio.timeout(60):
        while str(other) in watch.entries:
            await watch.next()
    await deliver(step, left(group, me, datetime.now(UTC)))
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        async with asyncio.timeout(60):
            while True:
                await watch.next()
    assert Refusal.of(ended.value).reason == "GROUP_NOT_FOUND"
    assert await refusal(board(step, me, group)) == NOT_FOUND


async def test_nobody_watches_a_group_that_is_not_theirs(step: Service) -> None:
    group = await new_group(step, someone())
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await watching(step, someone(), group, "WEEK").next()
    assert Refusal.of(ended.value).reason == "GROUP_NOT_FOUND"


async def test_an_old_day_shows_the_goal_of_that_day(step: Service, mysql_url: str) -> None:
    me = someone()
    group = await new_group(step, me)
    await call(step, f"{GOALS}/SetGoal", me, dailySteps=1_000)
    await call(step, f"{GOALS}/SetGoal", me, dailySteps=90_000)
    async with Database(mysql_url) as database, database.transaction() as tx:
        changed = TODAY - timedelta(days=20)
        await tx.execute("UPDATE goal SET first_date = %s WHERE daily_steps = 90000", (changed,))
        await tx.execute(
            "UPDATE goal SET first_date = %s, end_date = %s WHERE daily_steps = 1000",
            (changed - timedelta(days=99), changed),
        )
    await walk(step, mysql_url, me, {19: 1_500, 21: 1_500})
    for ago, reached in ((19, False), (21, True)):
        day = (TODAY - timedelta(days=ago)).isoformat()
        answer = await call(step, METHODS[0], me, groupId=str(group), period="DAY", date=day)
        assert [entry.goal_reached for entry in answer.leaderboard.entries] == [reached]
        watch = watching(step, me, group, "DAY", date=day)
        await watch.next()
        assert [entry.goal_reached for entry in watch.entries.values()] == [reached]
        watch.cancel()
