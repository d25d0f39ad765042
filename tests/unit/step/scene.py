"""A watched board on a clock that stands still: who walks, who watches, what they are told."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from firewalker.kernel.ids import UserId
from firewalker.step.boards.agenda import Agenda
from firewalker.step.boards.board import WatchedBoard
from firewalker.step.boards.subjects import Subjects
from firewalker.step.boards.updates import Changes, Snapshot, Update
from firewalker.step.boards.watcher import Watcher
from firewalker.step.domain.circle import Circle, Friend
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.leaderboard import Row
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

    def watch_until_a_frame(self) -> Watcher:
        """A watcher who was told of walker 2's first 100 steps this very moment."""
        watcher = self.watch()
        told(watcher)
        self.pass_time(5)
        self.walk(2, 100)
        self.agenda.turn()
        assert steps(told(watcher)) == {"walker 2": (1, 100)}
        return watcher

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


def steps(update: Update | None) -> dict[str, tuple[int, int]]:
    """Rank and steps by nickname."""
    assert isinstance(update, Snapshot | Changes)
    rows: Iterable[Row] = update.rows if isinstance(update, Snapshot) else update.change.rows
    return {row.standing.person.nickname: (row.rank, -row.standing.behind) for row in rows}
