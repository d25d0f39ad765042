"""Watchers who are slow, come back, or are done; and what is left when they are gone."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from firewalker.step.boards.board import FRAME_GAP_S, HEARTBEAT_S, LINGER_S
from firewalker.step.boards.updates import Changes, End, EndReason, Heartbeat, Snapshot
from firewalker.step.domain.board import KEPT_CHANGES
from tests.unit.step.scene import TODAY, Scene, steps, told


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.requirement("NET-21", "DLV-15")
async def test_a_slow_watcher_is_told_the_latest_state_once(scene: Scene) -> None:
    slow, quick = scene.watch(), scene.watch()
    told(slow)
    for total in range(1, 40):
        scene.pass_time(FRAME_GAP_S)
        scene.walk(2, total)
        scene.agenda.turn()
        told(quick)
    update = told(slow)
    assert isinstance(update, Changes)
    assert steps(update) == {"walker 2": (1, 39)}
    assert update.version == scene.board.version
    assert told(slow) is None


@pytest.mark.requirement("NET-21")
async def test_who_is_behind_what_is_kept_gets_a_snapshot(scene: Scene) -> None:
    slow = scene.watch()
    told(slow)
    for total in range(1, KEPT_CHANGES + 3):
        scene.pass_time(FRAME_GAP_S)
        scene.walk(2, total)
        scene.agenda.turn()
    assert isinstance(told(slow), Snapshot)


async def test_a_lost_connection_resumes_with_what_changed_meanwhile(scene: Scene) -> None:
    watcher = scene.watch()
    first = told(watcher)
    assert isinstance(first, Snapshot)
    watcher.close()
    scene.walk(2, 70)
    scene.pass_time(LINGER_S - 1)
    update = told(scene.watch(resume=first.version))
    assert isinstance(update, Changes)
    assert steps(update) == {"walker 2": (1, 70)}
    nothing = told(scene.watch(resume=update.version))
    assert isinstance(nothing, Changes)
    assert nothing.change.rows == ()


@pytest.mark.parametrize(
    "resume", ["", "x", ".", "ffffffffffff.0", "{id}.", "{id}.1", "{id}.-0", "{id}.٣", "{id}." + "9" * 5_000]
)
async def test_a_version_that_is_not_the_boards_gives_a_snapshot(scene: Scene, resume: str) -> None:
    assert isinstance(told(scene.watch(resume=resume.replace("{id}", scene.board.board_id))), Snapshot)


async def test_a_board_without_watchers_is_given_up_after_a_minute(scene: Scene) -> None:
    watcher, other = scene.watch(), scene.watch()
    watcher.close()
    scene.pass_time(LINGER_S + 1)
    assert scene.abandoned == []
    other.close()
    scene.pass_time(LINGER_S - 1)
    assert scene.abandoned == []
    scene.pass_time(2)
    assert scene.abandoned == [scene.board]
    scene.board.dissolve()
    assert len(scene.subjects) == 0


async def test_a_heartbeat_comes_when_nothing_was_said_for_20_seconds(scene: Scene) -> None:
    watcher = scene.watch()
    told(watcher)
    for _ in range(3):
        scene.pass_time(HEARTBEAT_S - 1)
        assert told(watcher) is None
        scene.pass_time(1.001)
        beat = told(watcher)
        assert isinstance(beat, Heartbeat)
        assert beat.version == scene.board.version
        assert told(watcher) is None


async def test_who_watches_today_is_done_at_their_midnight_after_the_last_change() -> None:
    scene = Scene(zone="Asia/Seoul", now=datetime(2026, 5, 20, 14, 59, 0, tzinfo=UTC))
    watcher, explicit = scene.watch(), scene.watch(today=False)
    told(watcher), told(explicit)
    scene.pass_time(59.5)
    scene.walk(2, 7)
    scene.agenda.turn()
    told(watcher)
    scene.walk(2, 8)
    scene.pass_time(0.51)
    assert steps(told(watcher)) == {"walker 2": (1, 8)}
    end = told(watcher)
    assert isinstance(end, End)
    assert (end.reason, end.version) == (EndReason.DAY_OVER, scene.board.version)
    assert steps(told(explicit)) == {"walker 2": (1, 8)}
    assert told(explicit) is None


async def test_who_watches_a_date_is_done_when_the_board_freezes() -> None:
    scene = Scene(now=datetime(2026, 5, 21, 11, 59, 0, tzinfo=UTC))
    watcher = scene.watch(today=False)
    told(watcher)
    scene.pass_time(30)
    assert not isinstance(told(watcher), End)
    scene.pass_time(30.01)
    assert isinstance(told(watcher), End)


async def test_a_board_that_is_frozen_already_is_shown_and_ended() -> None:
    scene = Scene()
    frozen = scene.open(2, day=TODAY - timedelta(days=3))
    watcher = scene.watch(today=False, board=frozen)
    assert isinstance(told(watcher), Snapshot)
    scene.pass_time(0.01)
    assert isinstance(told(watcher), End)


async def test_an_end_from_outside_is_the_next_thing_told_and_names_the_last_version_sent(scene: Scene) -> None:
    watcher = scene.watch()
    snapshot = told(watcher)
    assert isinstance(snapshot, Snapshot)
    scene.pass_time(2)
    scene.walk(2, 10)
    scene.agenda.turn()
    watcher.end(EndReason.SESSION_REVOKED)
    watcher.end(EndReason.SERVER_DRAINING)
    end = told(watcher)
    assert isinstance(end, End)
    assert (end.reason, end.version) == (EndReason.SESSION_REVOKED, snapshot.version)


async def test_a_waiting_watcher_is_woken_and_a_cancelled_one_hurts_nobody(scene: Scene) -> None:
    watchers = [scene.watch() for _ in range(3)]
    waiting = []
    for watcher in watchers:
        told(watcher)
        waiting.append(asyncio.create_task(watcher.next()))
    await asyncio.sleep(0)
    waiting[1].cancel()
    scene.pass_time(2)
    scene.walk(2, 10)
    scene.agenda.turn()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in done] == [Changes, asyncio.CancelledError, Changes]


async def test_boards_that_are_gone_leave_nothing_on_the_agenda() -> None:
    scene = Scene(*range(2, 102))
    for _ in range(60):
        board = scene.open(*range(2, 302))
        for number in range(2, 302):
            scene.walk(number, 100, age_s=180)
        board.dissolve()
        scene.pass_time(55)
    assert len(scene.agenda) < 1_000
