"""The watched boards of this process: opening and sharing them, limits, and what has to be looked up again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import date
from operator import attrgetter

from prometheus_client import Gauge

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import GroupNotFound, Overloaded
from firewalker.kernel.ids import UserId
from firewalker.runtime.metrics import REGISTRY
from firewalker.step.boards.agenda import Agenda
from firewalker.step.boards.board import WatchedBoard
from firewalker.step.boards.sources import BoardKey, FriendSource, GroupSource, Source
from firewalker.step.boards.subjects import Subjects
from firewalker.step.boards.updates import EndReason
from firewalker.step.boards.watcher import Watcher
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.group import GroupId
from firewalker.step.domain.leaderboard import board_date, require_in_range
from firewalker.step.domain.period import Period
from firewalker.step.live import Frame, LiveTotals
from firewalker.step.live.known import KnownTotals
from firewalker.step.usecases.circles import Circles
from firewalker.step.usecases.group_boards import GroupBoards, open_from

MAX_STREAMS_PER_USER = 16
"""Streams that one user may watch with in this process; one more ends the oldest (NET-22)."""

MAX_LEFT_PER_USER = 16
"""Boards kept for a user who may come back to them; of more, the one left longest ago goes. A group of 200 takes 160 KiB."""

MAX_STREAMS = 10_000
"""Streams that this process serves at once (NET-22). An idle one costs some 15 to 40 KiB, most of it connection."""

_WATCHERS = Gauge("firewalker_step_board_watchers", "Streams that watch a board.", registry=REGISTRY)
_BOARDS = Gauge("firewalker_step_boards", "Boards kept current, those just left included.", registry=REGISTRY)


class Boards:
    """Finds the board to a watcher, and its watchers to whatever changed."""

    def __init__(
        self,
        circles: Circles,
        known: KnownTotals,
        live: LiveTotals,
        clock: Clock,
        *,
        of_groups: GroupBoards,
        max_streams: int = MAX_STREAMS,
    ) -> None:
        self.agenda = Agenda(clock.monotonic)
        self.subjects = Subjects(self.agenda, clock)
        self.outdated: dict[WatchedBoard, None] = {}
        """Boards whose circle has to be read again, in the order in which that became known."""
        self._circles = circles
        self._known = known
        self._of_groups = of_groups
        self._live = live
        self._clock = clock
        self._max_streams = max_streams
        self._boards: dict[bytes, dict[BoardKey, WatchedBoard]] = {}
        self._sources: dict[WatchedBoard, Source] = {}
        self._with: dict[bytes, dict[WatchedBoard, None]] = {}
        """The boards of groups that an id, of a group or of somebody in it, has part in."""
        self._streams: dict[bytes, dict[Watcher, None]] = {}
        self._count = 0
        self._news = asyncio.Event()
        live.subscribe(self._hear)
        _WATCHERS.set_function(lambda: self._count)
        _BOARDS.set_function(lambda: len(self._sources))

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
        async with self._place(viewer) as place:
            circle = await self._circles.of(viewer)
            day = board_date(asked, circle, self._clock.now())
            require_in_range(day, self._clock.now())
            source = FriendSource(viewer, day, self._circles, self._known)
            return place(await self._join(source, circle, resume, today=asked is None))

    async def watch_group(
        self, viewer: UserId, group_id: GroupId, period: Period, asked: date | None, *, resume: str = ""
    ) -> Watcher:
        """The same at the board of a group, in the period that the date asked for, or the viewer's today, is in.

        Raises:
            GroupNotFound: The viewer is in no such group; the watcher too, once they are not any more.
            StatsDateOutOfRange: There can be no board of that date.
            Overloaded, DatabaseUnavailable, DeadlineExceeded: As above.
        """
        async with self._place(viewer) as place:
            circle = await self._of_groups.circle(viewer, group_id, period, asked)
            source = GroupSource(viewer, group_id, circle, self._of_groups)
            return place(await self._join(source, circle, resume, today=asked is None))

    @contextlib.asynccontextmanager
    async def _place(self, viewer: UserId) -> AsyncIterator[Callable[[Watcher], Watcher]]:
        """Take a place among the streams, given back if the block fails; what it yields keeps it for a watcher."""
        if self._count >= self._max_streams:
            raise Overloaded
        self._count += 1  # before anything is awaited: who comes meanwhile has to find the place taken

        def keep(watcher: Watcher) -> Watcher:
            streams = self._streams.setdefault(viewer.bytes, {})
            running = [stream for stream in streams if not stream.ended]
            for oldest in running[: max(0, len(running) + 1 - MAX_STREAMS_PER_USER)]:
                oldest.end(EndReason.REPLACED)
            streams[watcher] = None
            return watcher

        try:
            yield keep
        except BaseException:
            self._count -= 1
            raise

    async def hand_over(self) -> None:
        """Return once other processes know all that watchers were shown here; they go there now."""
        await self._live.hand_over()

    def outdate(self, viewers: Iterable[bytes]) -> None:
        """The circles of these users, or the groups of these ids (16 bytes), have changed."""
        for viewer in viewers:
            for board in self._boards.get(viewer, {}).values():
                self._outdate(board)
            for board in self._with.get(viewer, ()):
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
        source = self._sources.get(board)
        if source is None:
            return
        try:
            circle = await source.circle()
        except GroupNotFound as fault:
            board.fail(fault)
            return
        if self._sources.get(board) is source:
            self._index(board, source, known=False)
            board.show(circle)
            self._index(board, source, known=True)
            await self._look_up(board, source)

    def stop(self) -> None:
        """Let the boards' time stand still."""
        self.agenda.stop()

    async def _join(self, source: Source, circle: Circle, resume: str, *, today: bool) -> Watcher:
        board = self._find(source)
        if resume and (board is None or board.resumed(resume) is None):
            await self._live.catch_up()  # what the viewer saw in another process must not be unknown here
            board = self._find(source)
        board = board or await self._open(source, circle)
        watcher = Watcher(board, resume=resume, today=today, close=self._close)
        board.join(watcher)
        return watcher

    def _find(self, source: Source) -> WatchedBoard | None:
        return self._boards.get(source.viewer.bytes, {}).get(source.key)

    async def _open(self, source: Source, circle: Circle) -> WatchedBoard:
        board = WatchedBoard(source.viewer, source.key.first, circle, self.subjects, self._abandon)
        try:
            await self._look_up(board, source)
        except BaseException:
            board.dissolve()
            raise
        other = self._find(source)
        if other is not None:  # another stream was quicker
            board.dissolve()
            return other
        board.begin()
        self._boards.setdefault(source.viewer.bytes, {})[source.key] = board
        self._sources[board] = source
        self._index(board, source, known=True)
        if not source.is_current(circle):  # it changed while this board could not be told
            self._outdate(board)
        return board

    async def _look_up(self, board: WatchedBoard, source: Source) -> None:
        users = board.unknown()
        if users:
            await source.look_up(self.subjects, board.circle, users)

    def _index(self, board: WatchedBoard, source: Source, *, known: bool) -> None:
        """Find the board of a group by the ids that have part in it, or not any more."""
        if not source.key.group:
            return
        for one in (source.key.group, *board.members):
            if known:
                self._with.setdefault(one, {})[board] = None
            elif one in self._with:
                self._with[one].pop(board, None)
                if not self._with[one]:
                    del self._with[one]

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
        left = [one for one in self._boards.get(board.viewer, {}).values() if not one.watchers]
        if len(left) > MAX_LEFT_PER_USER:
            self._abandon(min(left, key=attrgetter("frame_at")))

    def _abandon(self, board: WatchedBoard) -> None:
        source = self._sources.pop(board)
        self._index(board, source, known=False)
        board.dissolve()
        self.outdated.pop(board, None)
        of_viewer = self._boards.get(board.viewer, {})
        of_viewer.pop(source.key, None)
        if not of_viewer:
            self._boards.pop(board.viewer, None)

    def _outdate(self, board: WatchedBoard) -> None:
        self.outdated[board] = None
        self._news.set()

    def _hear(self, frame: Frame) -> None:
        self.subjects.hear(frame.date, frame.totals)
        if frame.date < open_from(self._clock.now()):
            # Frames of rebuilds and repairs repeat what has long been counted: only what was revised may be news.
            revised = [user for user, total in frame.totals if total.revision]
            for board in self.subjects.unsettle(frame.date, revised):
                self._outdate(board)
