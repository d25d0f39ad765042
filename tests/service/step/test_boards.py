"""What boards show over the wire, read and watched through grpcio, on real MySQL and Redis."""

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from firewalker.step.domain.day import to_ms
from firewalker.step.domain.facts import Fact
from firewalker.step.domain.reading import Counted
from firewalker.step.domain.visibility import Visibility
from tests.service.step.reading import (
    Reader,
    ReadingProcess,
    befriended,
    group_of_friends,
    parted,
    signed_up,
    someone,
    veiled,
    veiled_for,
)
from tests.support.waiting import until

TODAY = datetime.now(UTC).date()


async def test_a_board_shows_caller_and_friends_by_rank(one: ReadingProcess) -> None:
    me, ann, ben, cho = (someone() for _ in range(4))
    await one.tell(*group_of_friends(me, [ann, ben, cho]))
    await one.walk(ann, 900, TODAY)
    await one.walk(me, 900, TODAY)
    await one.walk(ben, 400, TODAY)
    async with Reader(one, me) as reader:
        board = await reader.board()
    assert board.date == TODAY.isoformat()
    assert [(entry.rank, entry.user_id, entry.steps) for entry in board.entries] == [
        (1, str(ann), 900),
        (1, str(me), 900),
        (3, str(ben), 400),
        (0, str(cho), 0),
    ]
    states, freshness = type(board.entries[0]).State, type(board.entries[0]).Freshness
    assert [states.Name(entry.state) for entry in board.entries] == ["RANKED"] * 3 + ["NO_DATA"]
    assert [freshness.Name(entry.freshness) for entry in board.entries] == ["LIVE"] * 3 + ["FRESHNESS_UNSPECIFIED"]
    assert [entry.user_id for entry in board.entries if entry.me] == [str(me)]
    assert board.entries[0].nickname.startswith("n-")


async def test_somebody_nobody_has_heard_of_yet_sees_themselves(one: ReadingProcess) -> None:
    me = someone()
    async with Reader(one, me) as reader:
        board = await reader.board()
    assert [(entry.user_id, entry.me) for entry in board.entries] == [(str(me), True)]


async def test_equal_boards_have_equal_versions_in_every_process(one: ReadingProcess, two: ReadingProcess) -> None:
    me, ann = someone(), someone()
    await one.tell(*group_of_friends(me, [ann]))
    await one.walk(ann, 900, TODAY)
    async with Reader(one, me) as here, Reader(two, me) as there:
        version = (await here.board()).version
        assert version == (await here.board()).version == (await there.board()).version
        await one.walk(ann, 901, TODAY)
        assert (await here.board()).version != version


async def test_a_board_of_long_ago_can_be_read_and_not_be_watched(one: ReadingProcess) -> None:
    me, day = someone(), TODAY - timedelta(days=12)
    await one.walk(me, 700, day)
    async with Reader(one, me) as reader:
        assert [(entry.rank, entry.steps) for entry in (await reader.board(date=str(day))).entries] == [(1, 700)]
        watch = reader.watch(date=str(day))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await watch.next()
        assert refused.value.code() is grpc.StatusCode.OUT_OF_RANGE


async def test_what_nobody_comes_back_to_is_not_kept(one: ReadingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firewalker.step.boards.registry.MAX_LEFT_PER_USER", 2)
    me = someone()
    await one.tell(signed_up(me))
    boards = one.part.boards
    async with Reader(one, me) as reader:
        for back in range(2, 5):  # over, and their streams end at once
            watch = reader.watch(date=str(TODAY - timedelta(days=back)))
            while await watch.next() is not None:
                pass
            assert watch.end is not None
        await until(lambda: boards.streams == 0)
        assert list(boards) == []
        for days in (0, -1, 1):
            watch = reader.watch(date=str(TODAY + timedelta(days=days)))
            await watch.next()
            watch.cancel()
            await until(lambda: boards.streams == 0)
        assert {board.day for board in boards} == {TODAY - timedelta(days=1), TODAY + timedelta(days=1)}


@pytest.mark.parametrize(
    ("date", "status", "reason"),
    [
        ("2026-02-30", grpc.StatusCode.INVALID_ARGUMENT, b"INVALID_REQUEST"),
        ("", grpc.StatusCode.INVALID_ARGUMENT, b"INVALID_REQUEST"),
        ("2026-W21-3", grpc.StatusCode.INVALID_ARGUMENT, b"INVALID_REQUEST"),
        ("0001-01-01", grpc.StatusCode.OUT_OF_RANGE, b"DATE_OUT_OF_RANGE"),
        ("9999-12-31", grpc.StatusCode.OUT_OF_RANGE, b"DATE_OUT_OF_RANGE"),
        ((TODAY + timedelta(days=3)).isoformat(), grpc.StatusCode.OUT_OF_RANGE, b"DATE_OUT_OF_RANGE"),
    ],
)
async def test_a_date_that_cannot_be_read_is_refused_read_or_watched(
    one: ReadingProcess, date: str, status: grpc.StatusCode, reason: bytes
) -> None:
    async with Reader(one, someone()) as reader:
        with pytest.raises(grpc.aio.AioRpcError) as read:
            await reader.board(date=date)
        with pytest.raises(grpc.aio.AioRpcError) as watched:
            await reader.watch(date=date).next()
    for error in (read.value, watched.value):
        assert error.code() is status
        details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
        assert reason in details


async def test_a_read_right_after_the_answer_shows_it_in_every_process(
    one: ReadingProcess, two: ReadingProcess
) -> None:
    me, ann = someone(), someone()
    await one.tell(*group_of_friends(me, [ann]))
    async with Reader(two, me) as reader:
        await reader.board()
        for steps in range(100, 2_000, 100):
            await one.walk(ann, steps, TODAY)
            limit = asyncio.get_running_loop().time() + 20.0
            while (shown := (await reader.board()).entries[0].steps) != steps:
                assert shown < steps
                assert asyncio.get_running_loop().time() < limit


async def test_old_dates_are_read_from_mysql(one: ReadingProcess) -> None:
    me, ann = someone(), someone()
    await one.tell(*group_of_friends(me, [ann]))
    day = TODAY - timedelta(days=6)
    await one.walk(ann, 333, day)
    async with Reader(one, me) as reader:
        board = await reader.board(date=day.isoformat())
    assert [entry.steps for entry in board.entries] == [333, 0]


async def test_what_came_after_the_day_was_final_is_on_no_board(one: ReadingProcess) -> None:
    me = someone()
    day = TODAY - timedelta(days=4)
    await one.walk(me, 100, day)
    late = Counted(day, "phone", 9, 5_000, to_ms(datetime.now(UTC)), 1, True)  # noqa: FBT003
    await one.ingest.record(me.bytes, [late])
    async with Reader(one, me) as reader:
        assert (await reader.board(date=day.isoformat())).entries[0].steps == 100


@pytest.mark.requirement("PRIV-01")
async def test_a_board_shows_what_each_friend_lets_be_seen(one: ReadingProcess) -> None:
    me, ann, ben, cho, dan = (someone() for _ in range(5))
    await one.tell(
        *group_of_friends(me, [ann, ben, cho, dan]),
        veiled(ann, Visibility.ROUNDED),
        veiled(ben, Visibility.RANK_ONLY),
        veiled(cho, Visibility.HIDDEN),
        veiled(dan, Visibility.HIDDEN),
        veiled_for(dan, me, Visibility.FRIENDS),
    )
    for walker, steps in ((me, 1_100), (ann, 1_999), (ben, 1_500), (cho, 9_000), (dan, 1_200)):
        await one.walk(walker, steps, TODAY)
    async with Reader(one, me) as reader:
        rows = (await reader.board()).entries
        watch = reader.watch()
        await watch.next()
        watch.cancel()
    states = type(rows[0]).State
    assert [(row.rank, row.user_id, row.steps, states.Name(row.state)) for row in rows] == [
        (1, str(ann), 1_500, "RANKED"),
        (2, str(ben), 0, "RANKED"),
        (3, str(dan), 1_200, "RANKED"),
        (4, str(me), 1_100, "RANKED"),
        (0, str(cho), 0, "HIDDEN"),
    ]
    assert rows[1].freshness == 0
    assert list(watch.entries.values()) == list(rows)
    async with Reader(one, cho) as hiding:
        assert [(row.rank, row.steps) for row in (await hiding.board()).entries] == [(1, 9_000), (0, 0)]


@pytest.mark.alone
@pytest.mark.requirement("PRIV-02")
@pytest.mark.parametrize("change", ["hides", "hides from one", "parts"])
async def test_whoever_watches_sees_within_a_second_that_less_is_shown(
    one: ReadingProcess, two: ReadingProcess, change: str
) -> None:
    me, ann = someone(), someone()
    await one.tell(*group_of_friends(me, [ann]))
    await one.walk(ann, 700, TODAY)
    async with Reader(two, me) as reader:
        watch = reader.watch()
        await watch.until({ann: 700})
        facts: dict[str, Fact] = {
            "hides": veiled(ann, Visibility.HIDDEN),
            "hides from one": veiled_for(ann, me, Visibility.HIDDEN),
            "parts": parted(ann, me),
        }
        await one.tell(facts[change])
        await watch.next(within_s=1.0)
        assert watch.entries.get(str(ann)) is None or watch.entries[str(ann)].steps == 0
        await one.walk(ann, 900, TODAY)
        rows = {row.user_id: row.steps for row in (await reader.board()).entries}
        assert rows in ({str(me): 0}, {str(me): 0, str(ann): 0})
        watch.cancel()


@pytest.mark.requirement("DATA-30")
async def test_a_commit_in_one_process_reaches_a_watcher_of_another(one: ReadingProcess, two: ReadingProcess) -> None:
    me, ann, ben = someone(), someone(), someone()
    await one.tell(*group_of_friends(me, [ann, ben]))
    await one.walk(ben, 50, TODAY)
    async with Reader(two, me) as reader:
        watch = reader.watch()
        await watch.until({me: 0, ann: 0, ben: 50})
        await one.walk(ann, 70, TODAY)
        await watch.until({ann: 70})
        assert [watch.entries[str(user)].rank for user in (ann, ben, me)] == [1, 2, 0]
        assert watch.kinds[0] == "snapshot"
        assert "snapshot" not in watch.kinds[1:]
        watch.cancel()


@pytest.mark.alone
async def test_a_new_friendship_shows_on_both_open_boards_within_a_second(
    one: ReadingProcess, two: ReadingProcess
) -> None:
    me, ann = someone(), someone()
    await one.tell(signed_up(me), signed_up(ann))
    await one.walk(me, 10, TODAY)
    await one.walk(ann, 20, TODAY)
    async with Reader(one, me) as mine, Reader(two, ann) as hers:
        here, there = mine.watch(), hers.watch()
        await here.until({me: 10})
        await there.until({ann: 20})
        await one.tell(befriended(me, ann, datetime.now(UTC)))
        await asyncio.gather(here.until({me: 10, ann: 20}, 1.0), there.until({me: 10, ann: 20}, 1.0))
        here.cancel()
        there.cancel()
