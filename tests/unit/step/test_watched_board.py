"""When watchers of a board are told what; on a clock that stands still."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import pytest

from firewalker.runtime.metrics import REGISTRY
from firewalker.step.boards.board import FRAME_GAP_S, HASTE_GAP_S
from firewalker.step.boards.updates import Changes, Snapshot, Update
from firewalker.step.boards.watcher import Watcher
from firewalker.step.domain.circle import Circle, Friend
from firewalker.step.domain.day import UserTotal
from firewalker.step.domain.goal import Goals, Reached
from firewalker.step.domain.leaderboard import Freshness, Row
from tests.support.clock import NOON
from tests.unit.step.scene import SINCE, TODAY, Scene, steps, told
from tests.unit.step.standings import person


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_snapshot_comes_first_and_then_only_what_changed(scene: Scene) -> None:
    watcher = scene.watch()
    assert steps(told(watcher)) == {"walker 1": (0, 0), "walker 2": (0, 0)}
    assert told(watcher) is None
    scene.pass_time(2)
    scene.walk(2, 100)
    scene.agenda.turn()
    assert steps(told(watcher)) == {"walker 2": (1, 100)}
    assert told(watcher) is None


async def test_the_first_change_goes_out_at_once_and_the_next_when_a_second_is_over(scene: Scene) -> None:
    watcher = scene.watch_until_a_frame()
    for step in range(1, 10):
        scene.pass_time(0.1)
        scene.walk(2, 100 + step)
        scene.agenda.turn()
        assert told(watcher) is None
    scene.pass_time(FRAME_GAP_S - 0.9 + 0.001)
    assert steps(told(watcher)) == {"walker 2": (1, 109)}


async def test_who_is_on_the_board_is_told_without_waiting_for_the_second(scene: Scene) -> None:
    watcher = scene.watch_until_a_frame()
    scene.board.show(scene.circle())
    scene.pass_time(HASTE_GAP_S + 0.001)
    change = told(watcher)
    assert isinstance(change, Changes)
    assert change.change.removed == (person(2).user_id,)
    scene.walk(1, 50)
    scene.pass_time(FRAME_GAP_S - 0.1)
    assert told(watcher) is None
    scene.pass_time(0.101)
    assert told(watcher) is not None


async def test_who_comes_later_begins_with_all_that_is_known_and_the_others_keep_their_second(scene: Scene) -> None:
    """Else whoever comes from another process, where the board was further, would see steps fall."""
    first = scene.watch_until_a_frame()
    waiting = asyncio.create_task(first.next())
    await asyncio.sleep(0)
    scene.pass_time(0.3)
    scene.walk(2, 130)
    newcomer = scene.watch()
    assert steps(told(newcomer))["walker 2"] == (1, 130)
    scene.agenda.turn()
    await asyncio.sleep(0)
    assert not waiting.done()
    scene.pass_time(FRAME_GAP_S - 0.3 + 0.001)
    assert steps(await asyncio.wait_for(waiting, 60)) == {"walker 2": (1, 130)}
    assert told(newcomer) is None


def waited_s() -> float:
    return REGISTRY.get_sample_value("firewalker_step_board_wait_seconds_sum") or 0.0


async def test_how_long_a_change_waits_is_counted_from_the_first_that_not_all_have_been_told(scene: Scene) -> None:
    told(scene.watch())
    scene.pass_time(5)
    scene.walk(2, 100)
    scene.agenda.turn()
    before = waited_s()
    scene.pass_time(0.3)
    scene.walk(2, 130)
    scene.watch()
    scene.pass_time(0.4)
    scene.walk(2, 140)
    scene.pass_time(0.3 + 0.001)
    assert waited_s() - before == pytest.approx(0.7, abs=0.01)
    scene.pass_time(5)
    scene.walk(2, 150)
    scene.watch()
    scene.pass_time(0.2)
    assert waited_s() - before == pytest.approx(0.9, abs=0.01)


async def test_watchers_of_one_board_share_the_update(scene: Scene) -> None:
    watchers = [scene.watch() for _ in range(3)]
    for watcher in watchers:
        told(watcher)
    scene.pass_time(2)
    scene.walk(1, 5)
    scene.agenda.turn()
    updates = {id(told(watcher)) for watcher in watchers}
    assert len(updates) == 1


async def test_freshness_changes_by_time_alone(scene: Scene) -> None:
    watcher = scene.watch()
    scene.pass_time(2)
    scene.walk(2, 10)
    scene.agenda.turn()
    told(watcher)
    seen = []
    for _ in range(3_700):
        scene.pass_time(1)
        update = told(watcher)
        if isinstance(update, Changes):
            seen.append((int((scene.clock.now() - NOON).total_seconds()), update.change.rows[0].standing.freshness))
    assert [fresh for _, fresh in seen] == [Freshness.RECENT, Freshness.STALE]
    assert [at for at, _ in seen] == [pytest.approx(123, abs=1), pytest.approx(3_603, abs=1)]


async def test_new_readings_keep_a_walker_live_without_a_word(scene: Scene) -> None:
    watcher = scene.watch()
    scene.walk(2, 10)
    scene.pass_time(2)
    told(watcher)
    for _ in range(30):
        scene.pass_time(10)
        scene.walk(2, 10)
        assert not isinstance(told(watcher), Changes)


@pytest.mark.requirement("DLV-15", "DATA-30")
async def test_what_is_older_than_what_was_told_changes_nothing(scene: Scene) -> None:
    watcher = scene.watch()
    scene.walk(2, 500)
    scene.pass_time(2)
    told(watcher)
    scene.walk(2, 300)
    scene.subjects.settle(TODAY, [person(1).user_id, person(2).user_id], {})  # Redis was emptied
    scene.pass_time(2)
    assert told(watcher) is None
    assert -scene.board.live.rows()[0].standing.behind == 500


async def test_a_correction_lowers_a_total(scene: Scene) -> None:
    watcher = scene.watch()
    scene.walk(2, 500)
    scene.pass_time(2)
    told(watcher)
    scene.walk(2, 300, revision=1)
    scene.pass_time(2)
    assert steps(told(watcher)) == {"walker 2": (1, 300)}


async def test_a_new_friend_is_shown_once_their_steps_are_known(scene: Scene) -> None:
    watcher = scene.watch()
    told(watcher)
    scene.pass_time(2)
    scene.board.show(scene.circle(2, 3))
    scene.agenda.turn()
    assert told(watcher) is None
    assert scene.board.unknown() == [person(3).user_id]
    scene.subjects.settle(TODAY, scene.board.unknown(), {person(3).user_id: UserTotal(40, 0, 0)})
    scene.pass_time(1)
    assert steps(told(watcher)) == {"walker 3": (1, 40)}


async def watch_until_just_after_a_frame(scene: Scene) -> Watcher:
    watcher = scene.watch_until_a_frame()
    scene.pass_time(0.2)
    return watcher


@pytest.mark.parametrize("walked", [{}, {person(3).user_id: UserTotal(40, 0, 0)}], ids=["nothing", "something"])
async def test_a_new_friend_does_not_wait_for_the_second_however_late_their_steps_are_known(
    scene: Scene, walked: dict[bytes, UserTotal]
) -> None:
    watcher = await watch_until_just_after_a_frame(scene)
    scene.board.show(scene.circle(2, 3))
    scene.agenda.turn()
    assert told(watcher) is None
    scene.subjects.settle(TODAY, scene.board.unknown(), walked)
    scene.agenda.turn()
    assert "walker 3" in steps(told(watcher))


async def test_a_new_friend_whose_steps_a_frame_tells_first_does_not_wait_either(scene: Scene) -> None:
    watcher = await watch_until_just_after_a_frame(scene)
    scene.board.show(scene.circle(2, 3))
    scene.agenda.turn()
    scene.walk(3, 40)
    scene.agenda.turn()
    assert steps(told(watcher)) == {"walker 3": (2, 40)}


async def test_while_a_new_friend_is_not_known_others_steps_keep_their_second(scene: Scene) -> None:
    watcher = await watch_until_just_after_a_frame(scene)
    scene.board.show(scene.circle(2, 3))
    scene.walk(2, 110)
    scene.pass_time(FRAME_GAP_S - 0.2 - 0.001)
    assert told(watcher) is None
    scene.pass_time(0.002)
    assert steps(told(watcher)) == {"walker 2": (1, 110)}


@pytest.mark.parametrize("watched", [False, True], ids=["unwatched", "watched"])
async def test_haste_ends_with_what_it_was_for(scene: Scene, watched: bool) -> None:  # noqa: FBT001
    """Also where a new watcher's snapshot told it, or it came to nothing."""
    if watched:
        told(scene.watch())
        scene.board.show(scene.circle())
        scene.board.show(scene.circle(2))
        scene.subjects.settle(TODAY, scene.board.unknown(), {})
    else:
        scene.board.show(scene.circle())
    watcher = scene.watch()
    told(watcher)
    scene.pass_time(0.3)
    scene.walk(1, 50)
    scene.agenda.turn()
    assert told(watcher) is None
    scene.pass_time(FRAME_GAP_S)
    assert steps(told(watcher))["walker 1"] == (1, 50)


@pytest.mark.requirement("PRIV-02")
async def test_who_is_no_friend_any_more_is_taken_off(scene: Scene) -> None:
    watcher = scene.watch()
    told(watcher)
    scene.pass_time(2)
    scene.board.show(scene.circle())
    scene.agenda.turn()
    update = told(watcher)
    assert isinstance(update, Changes)
    assert update.change.removed == (person(2).user_id,)
    scene.walk(2, 1_000)
    scene.pass_time(2)
    assert told(watcher) is None


async def test_another_nickname_reaches_the_board(scene: Scene) -> None:
    watcher = scene.watch()
    told(watcher)
    scene.pass_time(2)
    scene.board.show(Circle(scene.me, (Friend(person(2, "Jisoo"), SINCE),)))
    scene.agenda.turn()
    assert "Jisoo" in steps(told(watcher))


async def test_one_walker_on_many_boards_has_one_standing() -> None:
    scene = Scene(2, 3)
    other = scene.open(3)
    assert len(scene.subjects) == 3
    first, second = scene.watch(), scene.watch(board=other)
    told(first), told(second)
    scene.pass_time(2)
    scene.walk(3, 10)
    scene.agenda.turn()
    assert steps(told(first)) == steps(told(second)) == {"walker 3": (1, 10)}


async def test_a_round_over_all_walkers_has_everybody_once_and_ends() -> None:
    scene = Scene(2, 3, 4)
    scene.subjects.restart_round()
    seen: list[bytes] = []
    while stretch := scene.subjects.next_round(3):
        seen += stretch[TODAY]
    assert sorted(seen) == [person(number).user_id for number in (1, 2, 3, 4)]
    assert scene.subjects.next_round(3) == {}


def goal_reached(update: Update | None) -> dict[str, Reached]:
    assert isinstance(update, Snapshot | Changes)
    rows: Iterable[Row] = update.rows if isinstance(update, Snapshot) else update.change.rows
    return {row.standing.person.nickname: row.standing.goal_reached for row in rows}


async def test_a_friends_goal_shows_in_a_frame_once_it_is_reached_and_shared(scene: Scene) -> None:
    watcher = scene.watch()
    told(watcher)

    def show(*, shared: bool) -> None:
        friend = replace(person(2), goals=Goals(((TODAY, 1_000),), shared))
        scene.board.show(Circle(scene.me, (Friend(friend, SINCE),)))
        scene.pass_time(2)

    show(shared=False)
    assert told(watcher) is None
    scene.walk(2, 1_000)
    scene.pass_time(2)
    assert goal_reached(told(watcher)) == {"walker 2": Reached.NO}
    show(shared=True)
    assert goal_reached(told(watcher)) == {"walker 2": Reached.OPENLY}
    show(shared=False)
    assert goal_reached(told(watcher)) == {"walker 2": Reached.NO}
    show(shared=False)
    assert told(watcher) is None


async def test_whether_a_goal_is_shared_is_told_without_waiting_for_the_second(scene: Scene) -> None:
    watcher = await watch_until_just_after_a_frame(scene)
    friend = replace(person(2), goals=Goals(((TODAY, 100),), shared=True))
    scene.board.show(Circle(scene.me, (Friend(friend, SINCE),)))
    scene.agenda.turn()
    assert goal_reached(told(watcher)) == {"walker 2": Reached.OPENLY}
