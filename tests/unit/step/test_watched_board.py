"""When watchers of a board are told what; on a clock that stands still."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from firewalker.kernel.ids import UserId
from firewalker.step.boards.agenda import Agenda
from firewalker.step.boards.board import FRAME_GAP_S, HASTE_GAP_S, HEARTBEAT_S, LINGER_S, WatchedBoard
from firewalker.step.boards.subjects import Subjects
from firewalker.step.boards.updates import Changes, End, EndReason, Heartbeat, Snapshot, Update
from firewalker.step.boards.watcher import Watcher
from firewalker.step.domain.board import KEPT_CHANGES
from firewalker.step.domain.circle import Circle, Friend
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.goal import Goals, Reached
from firewalker.step.domain.leaderboard import Freshness, Row
from tests.support.clock import NOON, FakeClock
from tests.unit.step.standings import person

TODAY = NOON.date()
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


class Scene:
    """A board of walkers 1 (whose it is) and 2, on which nobody has walked yet."""

    def __init__(self, *friends: int, zone: str = "UTC", now: datetime = NOON) -> None:
        self.clock = FakeClock(now)
        self.agenda = Agenda(self.clock.monotonic)
        self.subjects = Subjects(self.agenda, self.clock)
        self.abandoned: list[WatchedBoard] = []
        self.me = replace(person(1), zone=ZoneInfo(zone))
        self.board = self.open(*(friends or (2,)))

    def circle(self, *friends: int) -> Circle:
        return Circle(self.me, tuple(Friend(person(number), SINCE) for number in friends))

    def open(self, *friends: int, day: date = TODAY) -> WatchedBoard:
        viewer = UserId(UUID(bytes=self.me.user_id))
        board = WatchedBoard(viewer, day, self.circle(*friends), self.subjects, self.abandoned.append)
        self.subjects.settle(day, board.unknown(), {})
        board.begin()
        return board

    def watch(self, *, resume: str = "", today: bool = True, board: WatchedBoard | None = None) -> Watcher:
        board = board or self.board
        watcher = Watcher(board, resume=resume, today=today, close=lambda gone: gone.board.leave(gone))
        board.join(watcher)
        return watcher

    def walk(self, number: int, total: int, age_s: float = 0, revision: int = 0) -> None:
        now = to_ms(self.clock.now())
        heard = UserTotal(total, now, now - int(age_s * 1000), revision)
        self.subjects.hear(TODAY, [(person(number).user_id, heard)])

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.agenda.turn()


def told(watcher: Watcher) -> Update | None:
    """What the watcher is told now, without waiting."""
    coroutine = watcher.next()
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        coroutine.close()
    return None


@pytest.fixture
def scene() -> Scene:
    return Scene()


def steps(update: Update | None) -> dict[str, tuple[int, int]]:
    """Rank and steps by nickname."""
    assert isinstance(update, Snapshot | Changes)
    rows: Iterable[Row] = update.rows if isinstance(update, Snapshot) else update.change.rows
    return {row.standing.person.nickname: (row.rank, -row.standing.behind) for row in rows}


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
    watcher = scene.watch()
    told(watcher)
    scene.pass_time(5)
    scene.walk(2, 100)
    scene.agenda.turn()
    assert steps(told(watcher)) == {"walker 2": (1, 100)}
    for step in range(1, 10):
        scene.pass_time(0.1)
        scene.walk(2, 100 + step)
        scene.agenda.turn()
        assert told(watcher) is None
    scene.pass_time(FRAME_GAP_S - 0.9 + 0.001)
    assert steps(told(watcher)) == {"walker 2": (1, 109)}


async def test_who_is_on_the_board_is_told_without_waiting_for_the_second(scene: Scene) -> None:
    watcher = scene.watch()
    told(watcher)
    scene.pass_time(5)
    scene.walk(2, 100)
    scene.agenda.turn()
    told(watcher)
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
    first = scene.watch()
    told(first)
    scene.pass_time(5)
    scene.walk(2, 100)
    scene.agenda.turn()
    told(first)
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
    assert steps(await asyncio.wait_for(waiting, 1)) == {"walker 2": (1, 130)}
    assert told(newcomer) is None


async def test_watchers_of_one_board_share_the_update(scene: Scene) -> None:
    watchers = [scene.watch() for _ in range(3)]
    for watcher in watchers:
        told(watcher)
    scene.pass_time(2)
    scene.walk(1, 5)
    scene.agenda.turn()
    updates = {id(told(watcher)) for watcher in watchers}
    assert len(updates) == 1


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
