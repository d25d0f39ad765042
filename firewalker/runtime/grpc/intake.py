"""Bytes that were read and not worked on yet: a connection gets a bounded turn, then the others have theirs.

asyncio reads up to 256 KiB at once. As the smallest frames that is half a second of work, during which nobody else is
served and no limit can speak up.
"""

import asyncio
from collections.abc import Callable

_SMALL_BYTES = 512
"""A turn's share at first: at most some 20 streams opened and reset, about 2 ms."""

_LARGE_BYTES = 16_384
"""A turn's most: one full frame of a connection that brings bulk."""

_FEW_EVENTS = 8
"""Up to so many events, what comes is bulk, or too little to judge by."""

_TURN_EVENTS = 30
"""What a turn's share is measured by: events are the work, not bytes. Some 10 calls, or as many resets as `_SMALL_BYTES`
holds. Smaller turns cost nothing that `tests.bench.unary` would show, and halve what floods cost the neighbours."""


class Intake:
    """The incoming bytes of one connection."""

    __slots__ = ("_at", "_data", "_loop", "_settle", "_share", "_work")

    def __init__(self, work: Callable[[bytes], int], settle: Callable[[], None]) -> None:
        """*work* takes bytes and tells how many events they made; *settle* is called when `pending` has changed."""
        self._work = work
        self._settle = settle
        self._loop = asyncio.get_running_loop()
        self._data = b""
        self._at = 0
        self._share = _SMALL_BYTES

    @property
    def pending(self) -> bool:
        """Whether there is more; nothing may be read meanwhile."""
        return self._at < len(self._data)

    def take(self, data: bytes) -> None:
        """Work on *data*: at once where it is little, else in turns."""
        if len(data) <= self._share and not self.pending:
            self._do(data)
            return
        had_turns = self.pending
        self._data, self._at = self._data[self._at :] + data, 0
        if not had_turns:
            self._settle()
            self._turn()

    def drop(self) -> None:
        """Forget what is pending: nothing will come of it."""
        self._data, self._at = b"", 0

    def _turn(self) -> None:
        share = self._data[self._at : self._at + self._share]
        self._at += len(share)
        self._do(share)
        if self.pending:
            self._loop.call_soon(self._turn)
        else:
            self.drop()
            self._settle()

    def _do(self, data: bytes) -> None:
        events = self._work(data)
        # As many bytes as would have made a turn's events; trust grows by doubling and is lost at once.
        fair = len(data) * _TURN_EVENTS // events if events > _FEW_EVENTS else _LARGE_BYTES
        self._share = max(_SMALL_BYTES, min(_LARGE_BYTES, 2 * self._share, fair))
