"""One stream that follows a board. It holds the version it has been told and nothing else: what it missed, the board knows."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from firewalker.kernel.faults import Fault
from firewalker.step.boards.updates import End, EndReason, Heartbeat, Update

if TYPE_CHECKING:
    from firewalker.step.boards.board import WatchedBoard


class Watcher:
    """A stream's place at a board. Close it when the stream is over."""

    __slots__ = ("_beat", "_close", "_end", "_fault", "_loop", "_told", "_waiting", "board", "resume", "today")

    def __init__(self, board: "WatchedBoard", *, resume: str, today: bool, close: "Callable[[Watcher], None]") -> None:
        """*resume* is the version to lead on from, empty for none; *today*: no date was asked for; *close* lets go."""
        self.board = board
        self.resume = resume
        self.today = today
        self._close = close
        self._told: int | None = None
        self._beat: Heartbeat | None = None
        self._end: EndReason | None = None
        self._fault: Fault | None = None
        self._waiting: asyncio.Future[None] | None = None
        # Asking for the running loop asks the kernel for the process id: too dear for every wait.
        self._loop = asyncio.get_running_loop()

    @property
    def until(self) -> datetime:
        """When the day is over for this watcher: the viewer's midnight for who watches today, else the freezing."""
        return self.board.midnight if self.today else self.board.freeze

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._end is not None

    def end(self, reason: EndReason) -> None:
        """Let the next thing told be the end. The first reason given stands."""
        if self._end is None:
            self._end = reason
            self.wake()

    def fail(self, fault: Fault) -> None:
        """Let the next question be answered by *fault*, as the first one would be."""
        self._fault = fault
        self.wake()

    def wake(self) -> None:
        """There may be something to tell."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def next(self) -> Update:
        """What to tell now; waits until there is something. Skips what is outdated by then. After `End`, nothing.

        Raises:
            Fault: The one of `fail`.
        """
        while (update := self._find()) is None:
            self._waiting = self._loop.create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return update

    def close(self) -> None:
        """Give the place up. Again does nothing."""
        self._close(self)

    def _find(self) -> Update | None:
        if self._fault is not None:
            raise type(self._fault)
        board = self.board
        present = board.live.version
        # An end that the user or the server wants comes at once; of a day that is over the last state is told first.
        if self._end is not None and self._end is not EndReason.DAY_OVER:
            return self._farewell(self._end)
        if self._told is None:
            seen = board.resumed(self.resume)
            self._told = present
            return board.snapshot() if seen is None else board.since(seen)
        if self._told != present:
            seen, self._told = self._told, present
            return board.since(seen)
        if self._end is not None:
            return self._farewell(self._end)
        if board.beat is not None and board.beat is not self._beat:
            self._beat = board.beat
            return board.beat
        return None

    def _farewell(self, reason: EndReason) -> End:
        version = "" if self._told is None else f"{self.board.board_id}.{self._told}"
        return End(reason, version)
