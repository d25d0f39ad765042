"""Frames that came and were not worked on yet: a connection gets a bounded turn, then the others have theirs.

asyncio reads up to 256 KiB at once. As the smallest frames that is half a second of work, during which nobody else is
served and no limit can speak up.
"""

import asyncio
from collections import deque
from collections.abc import Callable

FEW_FRAMES = 8
"""Frames of one connection in one turn of the loop, HEADERS counted five times (`fragments.py`): 0.1 to 0.2 ms of work. For a
connection that is new, which opens with SETTINGS, a WINDOW_UPDATE and its first call, or suspect: one that has lately sent
much that brought nothing forward."""

MANY_FRAMES = 64
"""The same of a connection that has shown often enough that it does not send without end: ten calls."""

_SUSPECTS_AT_ONCE = 2
"""How many of those have a turn of their own in a turn of the loop; however many they are, the others wait for no more."""


class Line:
    """Where the suspect connections of a port wait for their turns, one behind the other."""

    __slots__ = ("_due", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._due = False

    def wait(self, turn: Callable[[], None]) -> None:
        """Call *turn* when all that wait already have had theirs."""
        self._waiting.append(turn)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        self._due = bool(self._waiting)
        if not self._due:
            return
        # In front of the calls that begin now: of those that are reset by the next frame none has to be stopped.
        asyncio.get_running_loop().call_soon(self._serve)
        for _ in range(min(_SUSPECTS_AT_ONCE, len(self._waiting))):
            self._waiting.popleft()()


class Intake:
    """What came from one connection."""

    __slots__ = ("_late", "_line", "_loop", "_settle", "_share", "_suspect", "_work", "pending")

    def __init__(
        self,
        work: Callable[[bytes, int], bool],
        settle: Callable[[], None],
        *,
        suspect: Callable[[], bool],
        line: Line,
    ) -> None:
        """*work* takes bytes and works on so many frames of all it was given, and tells whether more may be left.

        *settle* is called when `pending` has changed, and *suspect* asked at each turn.
        """
        self.pending = False
        """Whether there is more; nothing may be read meanwhile."""
        self._work = work
        self._settle = settle
        self._suspect = suspect
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._late = b""
        self._share = FEW_FRAMES

    def take(self, data: bytes) -> None:
        """Work on *data*: at once where it is little, else in turns."""
        if self.pending:
            self._late += data
        elif self._suspect():
            self._share = FEW_FRAMES
            self._late = data
            self._begin_turns()
        elif self._work(data, self._share):
            self._begin_turns()
        else:
            self._trust()

    def drop(self) -> None:
        """Forget what is pending: nothing will come of it."""
        self.pending = False
        self._late = b""

    def _begin_turns(self) -> None:
        self.pending = True
        self._settle()
        self._queue()

    def _queue(self) -> None:
        if self._suspect():
            self._share = FEW_FRAMES
            self._line.wait(self._turn)
        else:
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if not self.pending:
            # It was dropped.
            return
        data, self._late = self._late, b""
        if self._work(data, self._share) and self.pending:
            self._queue()
        else:
            self.drop()
            self._trust()
            self._settle()

    def _trust(self) -> None:
        """All that came was worked on, so there was an end of it."""
        if self._share < MANY_FRAMES:
            self._share *= 2
