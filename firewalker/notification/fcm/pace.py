"""How fast to send: a bucket that fills slowly at first, halves when the project's quota is spent, and finds the quota again."""

from collections import deque

from firewalker.kernel.clock import Clock

RAMP_S = 60.0
"""From nothing to full speed after a start or a stop (FCM documentation, scaling)."""

SLOWEST = 100.0
"""Messages a second from the first moment of a ramp on: too few to upset anybody."""

_WINDOW_S = 60.0
"""FCM counts messages by the minute."""

_PAUSE_S = 2.0
"""After the project's quota was spent, nothing for so long."""

_SAME_MOMENT_S = 10.0
"""What is refused within so long of a halving was on its way, or tells of the same minute."""

_CAUTION = 0.96
"""Part of what went well in the last minute that is reached quickly again; beyond it, slowly."""

_QUIET = 5.0
"""Messages a second: who sent less in the last minute need not find the quota again from nothing. If it is less than
this, each refusal brings the pace further down, as far as `_LEAST`."""

_LEAST = 1.0
"""Messages a second that are tried again in any case."""

_BURST = 5
"""Of a second's messages, one part in so many may go at once."""

_RECOVER_S = 2.0
_PROBE_A_SECOND = 0.0001
_PROBE_FASTER_S = 120.0
"""The longer nothing was refused, the bolder: as CUBIC does it (RFC 9438)."""


class Pace:
    """A token bucket for messages of the whole process, at most *fastest* a second."""

    def __init__(self, clock: Clock, *, fastest: float = 8_000.0, ramp_s: float = RAMP_S) -> None:
        self._clock = clock
        self._fastest = fastest
        self._ramp_s = ramp_s
        self._ceiling = fastest
        self._rate = fastest
        self._begun = self._filled = clock.monotonic()
        self._halved = float("-inf")
        self._still_until = float("-inf")
        self._taken: deque[tuple[float, int]] = deque()
        self._tokens = self.rate / _BURST

    @property
    def rate(self) -> float:
        """Messages a second at present."""
        if self._ramp_s <= 0:
            return self._rate
        elapsed = self._clock.monotonic() - self._begun
        return min(self._rate, max(SLOWEST, self._fastest * elapsed / self._ramp_s))

    def restart(self) -> None:
        """Begin a new ramp: sending was stopped, and others may have been too."""
        self._begun = self._clock.monotonic()
        self._tokens = 0.0

    def take(self, wanted: int) -> int:
        """How many of *wanted* messages may be sent now; they count as sent."""
        self._fill()
        if self._clock.monotonic() < self._still_until:
            return 0
        given = min(wanted, int(self._tokens))
        self._tokens -= given
        return max(given, 0)

    def give_back(self, unused: int) -> None:
        """So many that were taken were not sent."""
        self._tokens += unused

    def went_well(self) -> None:
        """FCM took a message."""
        now = self._clock.monotonic()
        if self._taken and now - self._taken[-1][0] < 1:
            self._taken[-1] = (self._taken[-1][0], self._taken[-1][1] + 1)
        else:
            self._taken.append((now, 1))
        while self._taken[0][0] < now - _WINDOW_S:
            self._taken.popleft()

    def quota_spent(self) -> None:
        """FCM says that the project sends too much. Answers that tell of the same moment count once."""
        now = self._clock.monotonic()
        if now - self._halved < _SAME_MOMENT_S:
            return
        self._halved = now
        self._still_until = now + _PAUSE_S
        went_well = sum(messages for at, messages in self._taken if at >= now - _WINDOW_S)
        # A minute's quota may have been spent in its first seconds: over the minute is what counts.
        self._ceiling = max(_LEAST, min(self._rate, max(_QUIET, went_well / _WINDOW_S)))
        self._rate = max(0.5, min(self._rate, self._ceiling) / 2)
        self._tokens = 0.0

    def _fill(self) -> None:
        now = self._clock.monotonic()
        elapsed = now - self._filled
        self._filled = now
        if now >= self._still_until and self._rate < self._fastest:
            cautious = self._ceiling * _CAUTION
            if self._rate < cautious * 0.99:  # which is reached in the end, as `cautious` is not
                self._rate += (cautious - self._rate) * min(1.0, elapsed / _RECOVER_S)
            else:
                boldness = 1 + ((now - self._halved) / _PROBE_FASTER_S) ** 2
                self._rate += self._ceiling * _PROBE_A_SECOND * boldness * elapsed
                self._ceiling = max(self._ceiling, self._rate)
            self._rate = min(self._rate, self._fastest)
        rate = self.rate
        self._tokens = min(self._tokens + rate * elapsed, max(1.0, rate / _BURST))
