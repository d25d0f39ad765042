"""What falls due when: one timer of the event loop for all boards and standings, however many there are."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from math import inf
from typing import Protocol

import structlog

MAX_PER_TURN = 250
"""Most items handled before the loop gets a turn."""

MAX_TURN_S = 0.002
"""Longest time for them: what woken watchers then send takes as long again, and calls wait for both."""

FEWEST_DEAD = 64
"""With fewer dead entries than this it is not worth sorting them out."""

_log = structlog.get_logger(__name__)


class Timed(Protocol):
    """Something with a next time to look at it."""

    due: float
    """When, on the agenda's clock; infinite while it is not on the agenda. Set by the agenda alone."""

    def fall_due(self, now: float) -> None:
        """Do what is due, and go on the agenda again where there is more to come."""


class Agenda:
    """Calls `fall_due` of each item at its time. *monotonic* tells the time in seconds.

    Without `start` nothing happens by itself: a test with a clock of its own calls `turn`.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: list[tuple[float, int, Timed]] = []
        self._dead = 0
        self._order = count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = inf

    def start(self) -> None:
        """Follow the running loop's time from now on."""
        self._loop = asyncio.get_running_loop()
        self._set_timer()

    def stop(self) -> None:
        """Call nothing any more."""
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()

    def put(self, item: Timed, due: float) -> None:
        """Look at *item* at *due*, unless that is to happen earlier anyway.

        What is wanted later than that, `fall_due` puts on the agenda again: so moving a time back costs nothing here.
        """
        if due >= item.due:
            return
        before, item.due = item.due, due
        if before != inf:
            self._bury()
        heapq.heappush(self._entries, (due, next(self._order), item))
        if due < self._timer_due:
            self._set_timer()

    def discard(self, item: Timed) -> None:
        """Do not look at *item* any more, and soon let go of it. Without a time, nothing happens."""
        if item.due != inf:
            item.due = inf
            self._bury()

    def __len__(self) -> int:
        """How many entries are held, the dead ones included."""
        return len(self._entries)

    def turn(self) -> None:
        """Handle what is due; what is left over after `MAX_PER_TURN` items, or `MAX_TURN_S`, stays due."""
        now = self._monotonic()
        for _ in range(MAX_PER_TURN):
            if not self._entries or self._entries[0][0] > now or self._monotonic() - now > MAX_TURN_S:
                return
            due, _, item = heapq.heappop(self._entries)
            if item.due != due:
                self._dead = max(0, self._dead - 1)
                continue  # discarded, or put at an earlier time since and looked at
            item.due = inf
            try:
                item.fall_due(now)
            except Exception:  # noqa: BLE001 - logged whole; one item's bug must not stop the others' time
                _log.exception("agenda_item_failed", item=type(item).__name__)

    def _bury(self) -> None:
        """One more entry is dead. They stay where they are until they are the majority: so each costs little."""
        self._dead += 1
        if self._dead >= FEWEST_DEAD and 2 * self._dead > len(self._entries):
            self._entries = [entry for entry in self._entries if entry[2].due == entry[0]]
            heapq.heapify(self._entries)
            self._dead = 0

    def _set_timer(self) -> None:
        if self._loop is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due = self._entries[0][0] if self._entries else inf
        if self._entries:
            delay_s = max(self._timer_due - self._monotonic(), 0.0)
            self._timer = self._loop.call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._timer_due = -inf  # what is put meanwhile needs no timer of its own
        try:
            self.turn()
        finally:
            self._timer_due = inf
            self._set_timer()
