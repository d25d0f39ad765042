"""How long the event loop computes in one go, in CPU time: for so long every client of the process waits.

A loop asks its selector once in each turn what has come; what its thread has used of a processor in between is the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from selectors import DefaultSelector, SelectorKey
from time import thread_time


class _TimedSelector(DefaultSelector):
    """Tells *told* of each turn, in seconds, once there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Callable[[float], None] | None = None
        self._began = thread_time()

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if self.told is not None:
            self.told(thread_time() - self._began)
        found = super().select(timeout)
        self._began = thread_time()
        return found


class TimedLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, which can tell of its turns."""

    def __init__(self) -> None:
        self._timed = _TimedSelector()
        super().__init__(self._timed)

    def tell(self, told: Callable[[float], None]) -> None:
        """Call *told* after each turn from the next one on; this one, the start, is nobody's wait."""
        self.call_soon(setattr, self._timed, "told", told)
