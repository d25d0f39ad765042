"""Which concurrency serves best, learnt from how long calls take. Pure: told of calls and of the time, starts nothing.

Beyond the right number of calls at once a process does not do more, each call only takes longer. So: how much longer than
in quiet times calls take now, each method compared with itself, decides. The number falls when they take more than
half as long again, by a tenth up to a half, to be out of trouble in a second, and rises a little when they do not.

Calls that still run count as soon as they have taken longer than usual. Where a rush begins, those that have ended tell only
of the time before it, and waiting for the others would let in hundreds that nobody waits for any more when they are done.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

INITIAL = 200
"""Where a process begins: the streams of two connections, and twenty times the connections of its pool."""

LEAST = 16
"""Never below: with fewer calls the database idles while answers are written."""

MOST = 1_000
"""Never above, however well it goes: each call holds memory."""

WINDOW_S = 0.1
"""How often the limit is judged."""

LEAST_CALLS = 10
"""With fewer calls in it a window is continued: their mean would say too little."""

TOLERANCE = 1.5
"""So many times as long as in quiet times may calls take on average (NET-31 allows the slowest of those admitted three times)."""

BUSY = 64
"""So many calls at once are enough to judge by, also where the limit is far; with fewer, slowness is mostly not their number's."""

MOST_OVERDUE = 4.0
"""A call that still runs counts for no more than so many times its usual time: one that is stuck shall not speak for all."""

_FALL = 0.9
_STEEPEST_FALL = 0.5
_BETTER_WEIGHT = 0.1
_WORSE_WEIGHT = 0.02
_STUCK_WEIGHT = 0.005


@dataclass(slots=True)
class _Seen:
    """Durations of one method."""

    usual_s: float | None = None
    """Mean in quiet times."""
    total_s: float = 0.0
    calls: int = 0


class ConcurrencyLimit:
    """The number of calls that may run at once."""

    def __init__(
        self,
        initial: int = INITIAL,
        *,
        adaptive: bool = True,
        least: int = LEAST,
        most: int = MOST,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """*adaptive* False leaves it at *initial* for ever: the fallback if learning is suspected."""
        if not 1 <= least <= most or initial < 1:
            raise ValueError("a concurrency limit is at least 1, and its least no more than its most")
        self.value = float(initial)
        """The limit now."""
        self.peak = 0
        """Most calls that ran at once in this window; told by who counts."""
        self.strained = False
        """Whether somebody had to wait or was refused in this window; told by who counts."""
        self.under_way: Callable[[], Iterable[tuple[str, float]]] = tuple
        """Gives method and start (as *now* tells) of each call that runs; set by who counts."""
        self._adaptive = adaptive
        self._least = least
        self._most = most
        self._now = now
        self._seen: dict[str, _Seen] = {}
        self._calls = 0
        self._judged_at = now()

    def observe(self, method: str, seconds: float) -> None:
        """A call of *method* was served in *seconds*, without its wait for a place."""
        seen = self._seen.get(method)
        if seen is None:
            seen = self._seen[method] = _Seen()
        seen.total_s += seconds
        seen.calls += 1
        self._calls += 1
        if self._calls >= LEAST_CALLS and self._now() - self._judged_at >= WINDOW_S:
            self._judge()

    def begun(self, running: int) -> None:
        """A call was given a place, and so many run now."""
        self.peak = max(self.peak, running)
        if running >= BUSY and self._now() - self._judged_at >= WINDOW_S:
            self._judge()

    def _judge(self) -> None:
        ratio = self._ratio()
        near = self.strained or self.peak >= 0.8 * self.value
        used = near or self.peak >= BUSY
        if self._adaptive and used and ratio > TOLERANCE:
            # Of what is used: a limit that is far away would fall for a second before anybody felt it.
            base = self.value if near else min(self.value, float(self.peak))
            self.value = max(float(self._least), base * max(_STEEPEST_FALL, min(_FALL, TOLERANCE / ratio)))
        elif self._adaptive and near:
            self.value = min(float(self._most), self.value + max(1.0, self.value * 0.02))
        stuck = self.value <= self._least
        for seen in self._seen.values():
            self._learn(seen, quiet=not used, stuck=stuck)
        self._calls = 0
        self.peak = 0
        self.strained = False
        self._judged_at = self._now()

    def _ratio(self) -> float:
        """By how much calls took longer than usual, each counted once; those that run on, if that is sure already."""
        expected = sum(seen.usual_s * seen.calls for seen in self._seen.values() if seen.usual_s is not None)
        taken = sum(seen.total_s for seen in self._seen.values() if seen.usual_s is not None)
        now = self._now()
        for method, began in self.under_way():
            known = self._seen.get(method)
            if known is not None and known.usual_s is not None and now - began > known.usual_s:
                expected += known.usual_s
                taken += min(now - began, MOST_OVERDUE * known.usual_s)
        return taken / expected if expected else 1.0

    @staticmethod
    def _learn(seen: _Seen, *, quiet: bool, stuck: bool) -> None:
        """Take what a window showed into what is usual.

        Better times are believed soon. Worse ones only in quiet moments, or a long overload would become the usual; and
        slowly where the limit cannot fall any further, because then it is not concurrency that makes calls slow.
        """
        if not seen.calls:
            return
        mean = seen.total_s / seen.calls
        seen.total_s, seen.calls = 0.0, 0
        if seen.usual_s is None:
            seen.usual_s = mean
        elif mean < seen.usual_s:
            seen.usual_s += (mean - seen.usual_s) * _BETTER_WEIGHT
        elif quiet:
            seen.usual_s += (mean - seen.usual_s) * _WORSE_WEIGHT
        elif stuck:
            seen.usual_s += (mean - seen.usual_s) * _STUCK_WEIGHT
