"""The watched boards of this process: opening and sharing them, limits, and what has to be looked up again."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from datetime import date

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Overloaded
from firewalker.kernel.ids import UserId
from firewalker.step.boards.agenda import Agenda
from firewalker.step.boards.board import WatchedBoard
from firewalker.step.boards.subjects import Subjects
from firewalker.step.boards.updates import EndReason
from firewalker.step.boards.watcher import Watcher
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.leaderboard import board_date, require_in_range
from firewalker.step.live import Frame, LiveTotals
from firewalker.step.live.known import KnownTotals
from firewalker.step.usecases.circles import Circles

MAX_STREAMS_PER_USER = 16
"""Streams that one user may watch with in this process; one more ends the oldest (NET-22)."""

MAX_STREAMS = 10_000
"""Streams that this process serves at once (NET-22). An idle one costs some 15 to 40 KiB, most of it connection."""


class Boards:
    """Finds the board to a watcher, and its watchers to whatever changed."""

    def __init__(
        self, circles: Circles, known: KnownTotals, live: LiveTotals, clock: Clock, *, max_streams: int = MAX_STREAMS
    ) -> None:
        self.agenda = Agenda(clock.monotonic)
        self.subjects = Subjects(self.agenda, clock)
        self.outdated: dict[WatchedBoard, None] = {}
        """Boards whose circle has to be read again, in the order in which that became known."""
        self._circles = circles
        self._known = known
        self._live = live
        self._clock = clock
        self._max_streams = max_streams
        self._boards: dict[bytes, dict[date, WatchedBoard]] = {}
        self._streams: dict[bytes, dict[Watcher, None]] = {}
        self._count = 0
        self._news = asyncio.Event()
        live.subscribe(self._hear)

    def __iter__(self) -> Iterator[WatchedBoard]:
        return iter([board for of_viewer in self._boards.values() for board in of_viewer.values()])

    @property
    def streams(self) -> int:
        """How many watch, or are about to."""
        return self._count

    async def watch(self, viewer: UserId, asked: date | None, resume: str = "") -> Watcher:
        """A place at the board of the date asked for, or of the viewer's today; close it in any case.

        *resume* is the version last seen. The seventeenth stream of a user ends their oldest.

        Raises:
            DateOutOfRange: No board of that date can be read now.
            Overloaded: This process serves as many streams as it can.
            DatabaseUnavailable, DeadlineExceeded: The board could not be put together.
        """
        if self._count >= self._max_streams:
            raise Overloaded
        self._count += 1  # before anything is awaited: who comes meanwhile has to find the place taken
        try:
            watcher = await self._join(viewer, asked, resume)
        except BaseException:
            self._count -= 1
            raise
        streams = self._streams.setdefault(viewer.bytes, {})
        running = [stream for stream in streams if not stream.ended]
        for oldest in running[: max(0, len(running) + 1 - MAX_STREAMS_PER_USER)]:
            oldest.end(EndReason.REPLACED)
        streams[watcher] = None
        return watcher

    async def hand_over(self) -> None:
        """Return once other processes know all that watchers were shown here; they go there now."""
        await self._live.hand_over()

    def outdate(self, viewers: Iterable[bytes]) -> None:
        """The circles of these users (16-byte ids) have changed."""
        for viewer in viewers:
            for board in self._boards.get(viewer, {}).values():
                self._outdate(board)

    def outdate_all(self) -> None:
        """Any circle may have changed."""
        for board in self:
            self._outdate(board)

    async def wait_outdated(self, at_most_s: float) -> None:
        """Return once there are outdated boards, or after *at_most_s* seconds."""
        if not self.outdated:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(at_most_s):
                    await self._news.wait()

    async def renew(self, board: WatchedBoard) -> None:
        """Read *board*'s circle again, and show who came and who went.

        Raises:
            DatabaseUnavailable, DeadlineExceeded, Overloaded: It is still as it was, or lacks the new ones.
        """
        circle = await self._circles.of(board.viewer_id)
        if self._find(board.viewer, board.day) is board:
            board.show(circle)
            await self._look_up(board)

    def stop(self) -> None:
        """Let the boards' time stand still."""
        self.agenda.stop()

    def _find(self, viewer: bytes, day: date) -> WatchedBoard | None:
        return self._boards.get(viewer, {}).get(day)

    async def _join(self, viewer: UserId, asked: date | None, resume: str) -> Watcher:
        circle = await self._circles.of(viewer)
        day = board_date(asked, circle, self._clock.now())
        require_in_range(day, self._clock.now())
        board = self._find(viewer.bytes, day)
        if resume and (board is None or board.resumed(resume) is None):
            await self._live.catch_up()  # what the viewer saw in another process must not be unknown here
            board = self._find(viewer.bytes, day)
        board = board or await self._open(viewer, day, circle)
        watcher = Watcher(board, resume=resume, today=asked is None, close=self._close)
        board.join(watcher)
        return watcher

    async def _open(self, viewer: UserId, day: date, circle: Circle) -> WatchedBoard:
        board = WatchedBoard(viewer, day, circle, self.subjects, self._abandon)
        try:
            await self._look_up(board)
        except BaseException:
            board.dissolve()
            raise
        other = self._find(viewer.bytes, day)
        if other is not None:  # another stream was quicker
            board.dissolve()
            return other
        board.begin()
        self._boards.setdefault(viewer.bytes, {})[day] = board
        if not self._circles.is_current(viewer, circle):  # it changed while this board could not be told
            self._outdate(board)
        return board

    async def _look_up(self, board: WatchedBoard) -> None:
        users = board.unknown()
        if users:
            self.subjects.settle(board.day, users, await self._known.read(board.day, users))

    def _close(self, watcher: Watcher) -> None:
        board = watcher.board
        streams = self._streams.get(board.viewer, {})
        if watcher not in streams:
            return
        del streams[watcher]
        if not streams:
            del self._streams[board.viewer]
        self._count -= 1
        board.leave(watcher)

    def _abandon(self, board: WatchedBoard) -> None:
        board.dissolve()
        self.outdated.pop(board, None)
        of_viewer = self._boards.get(board.viewer, {})
        of_viewer.pop(board.day, None)
        if not of_viewer:
            self._boards.pop(board.viewer, None)

    def _outdate(self, board: WatchedBoard) -> None:
        self.outdated[board] = None
        self._news.set()

    def _hear(self, frame: Frame) -> None:
        self.subjects.hear(frame.date, frame.totals)
