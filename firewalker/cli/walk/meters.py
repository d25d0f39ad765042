"""What is counted while the walkers walk: one set of meters for all of them, in memory that does not grow."""

from __future__ import annotations

import math
import time
from collections import Counter, deque

_BUCKETS_PER_DOUBLING = 16
"""Width of a latency bucket: 4.4 %, well under the differences worth showing."""

_SMALLEST_S = 0.0001

RATE_WINDOW_S = 5.0


class Latencies:
    """A distribution of seconds in logarithmic buckets."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one."""
        self._buckets[math.ceil(_BUCKETS_PER_DOUBLING * math.log2(max(seconds, _SMALLEST_S) / _SMALLEST_S))] += 1

    def quantile(self, share: float) -> float:
        """The seconds that *share* (0 to 1) of all stay within, rounded up by at most 4.4 %; 0 if there are none."""
        wanted = share * self._buckets.total()
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return _SMALLEST_S * 2 ** (bucket / _BUCKETS_PER_DOUBLING)
        return 0.0


class Meters:
    """Counts of one walk."""

    def __init__(self) -> None:
        self.messages = 0
        """Messages acknowledged."""
        self.readings = 0
        """Readings acknowledged, whatever the verdict."""
        self.rejected: Counter[str] = Counter()
        """Rejected readings by reason."""
        self.reconnects: Counter[str] = Counter()
        """Streams that ended before their walk did, by why."""
        self.latencies = Latencies()
        """From sending a message to its acknowledgement, as the walker sees it."""
        self.streams = 0
        """Streams open now."""
        self._recent: deque[tuple[float, int]] = deque()

    def acknowledged(self, readings: int, latency_s: float) -> None:
        """Count one acknowledged message."""
        self.messages += 1
        self.readings += readings
        self.latencies.add(latency_s)
        self._recent.append((time.monotonic(), readings))

    def rate(self) -> float:
        """Readings acknowledged a second, over the last 5 s."""
        since = time.monotonic() - RATE_WINDOW_S
        while self._recent and self._recent[0][0] < since:
            self._recent.popleft()
        return sum(readings for _, readings in self._recent) / RATE_WINDOW_S
