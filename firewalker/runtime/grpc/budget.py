"""Token buckets for what a peer may do to a connection."""

from collections.abc import Callable
from time import monotonic

_ENOUGH = 0.9
"""Of a burst. Who has spent more of it than the rest is watched (`is_low`)."""


class Budget:
    """So many at once, so many a second after that."""

    __slots__ = ("_at", "_burst", "_clock", "_enough", "_left", "_per_s")

    def __init__(self, burst: float, per_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._burst = burst
        self._per_s = per_s
        self._enough = burst * _ENOUGH
        self._clock = clock
        self._left = burst
        self._at = clock()

    def spend(self) -> bool:
        """Take one; False when nothing is left."""
        if self._left < self._enough:
            self._refill()
            if self._left < 1:
                return False
        self._left -= 1
        return True

    def is_low(self) -> bool:
        """Whether more than a tenth of the burst is spent."""
        if self._left >= self._enough:
            return False
        self._refill()
        return self._left < self._enough

    def forfeit(self, amount: float) -> None:
        """Take *amount*, also of what is yet to come; never more than a whole burst of that."""
        self._left = max(-self._burst, self._left - amount)

    def progress(self, times: int = 1) -> None:
        """Something useful happened, so many times: two are given back for each."""
        self._left = min(self._burst, self._left + 2 * times)

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
