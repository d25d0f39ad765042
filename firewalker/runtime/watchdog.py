"""Says what blocks the event loop: whoever computes for 100 ms makes every client of the process wait (NET-35).

A thread looks whether the loop still turns, and if not, at what its thread is doing at that moment. How late timers are in
general is a metric (`metrics.watch_event_loop`).
"""

import asyncio
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import structlog

LAG_S = 0.1
"""From here on a delay is logged."""

_LOOK_S = 0.05
_QUIET_S = 1.0
_FRAMES = 12


class Watchdog:
    """Watches the event loop it is started on."""

    def __init__(self) -> None:
        self._beat = time.monotonic()
        self._told = 0.0
        self._thread_id = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._log = structlog.get_logger("firewalker.watchdog")

    def start(self) -> None:
        """Begin to watch the running loop."""
        self._thread_id = threading.get_ident()
        self._turn()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer. Returns when the thread has ended, within one look."""
        self._stopping.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join()

    def _turn(self) -> None:
        self._beat = time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(_LOOK_S / 2, self._turn)

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._stopping.wait(_LOOK_S):
            now = time.monotonic()
            late_s, looked = now - looked - _LOOK_S, now
            lag_s = now - self._beat
            # Late itself: then the whole process had no turn on the processor, and nothing in it is to blame.
            if lag_s > LAG_S and late_s < LAG_S / 2 and now - self._told > _QUIET_S:
                self._tell(lag_s)

    def _tell(self, lag_s: float) -> None:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - the only way to see another thread's stack
        where = _where(frame)
        if frame is None or not where or where[-1].startswith("selectors.py:"):
            # It waits for the system, which has been starving it.
            return
        self._told = time.monotonic()
        self._log.warning("event loop blocked", lag_ms=round(lag_s * 1000), stack=" > ".join(where))


def _where(frame: FrameType | None) -> list[str]:
    """The innermost calls of a stack, outermost first."""
    found: list[str] = []
    while frame is not None and len(found) < _FRAMES:
        code = frame.f_code
        found.append(f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return found[::-1]
