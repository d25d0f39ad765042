"""When the calls of one connection have to be done: one timer for all of them, set to the earliest.

A timer of its own for each call would nearly always be cancelled, which costs as much as setting it; the next call's deadline is mostly later than
the one that is waited for, so that this one is left alone for seconds.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol


class Mortal(Protocol):
    """What has a deadline; a `Call`."""

    deadline: float | None
    """In seconds of `time.monotonic`, which are the event loop's too."""

    def run_out(self) -> None:
        """The deadline has passed."""


class Expiry:
    """Ends the calls of a connection in time."""

    __slots__ = ("_at", "_calls", "_loop", "_timer")

    def __init__(self, calls: Mapping[int, Mortal]) -> None:
        """*calls* are those that are open now; looked at, never changed."""
        self._calls = calls
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0

    def watch(self, deadline: float) -> None:
        """One of the calls has this deadline from here on."""
        if self._timer is None or deadline < self._at:
            self.stop()
            self._at = deadline
            self._timer = self._loop.call_at(deadline, self._look)

    def stop(self) -> None:
        """Watch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        # As the event loop rounds: what is due within its resolution is due.
        due = self._at
        for call in list(self._calls.values()):
            if call.deadline is None:
                continue
            if call.deadline <= due:
                call.run_out()
            else:
                self.watch(call.deadline)
