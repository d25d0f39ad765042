"""How long the event loop computes in one go, in CPU time, of which a busy machine takes nothing away (NET-35).

Whoever computes for 20 ms makes every client of the process wait. A loop asks its selector once in each turn what has come;
what its thread has used of a processor in between is the turn. Costs a look at two clocks a turn.
"""

import asyncio
from selectors import DefaultSelector, SelectorKey
from time import thread_time

from prometheus_client import Counter, Gauge

from firewalker.runtime.metrics import REGISTRY

LONG_S = 0.02
"""From here on a turn counts as long."""

_LONG = Counter(
    "firewalker_event_loop_long_turns_total",
    "Turns of the event loop that computed for 20 ms or more.",
    registry=REGISTRY,
)
_LONGEST = Gauge(
    "firewalker_event_loop_longest_turn_seconds",
    "The longest turn of the event loop so far, in CPU time.",
    registry=REGISTRY,
)


class TurnClock(DefaultSelector):
    """A selector that knows how long its loop has been busy between two of its questions."""

    def __init__(self) -> None:
        super().__init__()
        self.serving = False
        """Whether turns count. Those of a start do not: nobody waits yet."""
        self.longest_s = 0.0
        self.long_turns = 0
        self._begun = thread_time()

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """What has come, or None by *timeout*."""
        if self.serving:
            self._end(thread_time() - self._begun)
        found = super().select(timeout)
        self._begun = thread_time()
        return found

    def serve(self) -> None:
        """Count from here on, this very turn not included."""
        asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        self.serving = True
        self._begun = thread_time()

    def _end(self, seconds: float) -> None:
        if seconds > self.longest_s:
            self.longest_s = seconds
            _LONGEST.set(seconds)
        if seconds >= LONG_S:
            self.long_turns += 1
            _LONG.inc()


class TimedLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, with a clock on its turns."""

    def __init__(self) -> None:
        self.turns = TurnClock()
        super().__init__(self.turns)


def count_turns() -> None:
    """Begin to count the turns of the running loop, if it has a clock on them."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, TimedLoop):
        loop.turns.serve()
