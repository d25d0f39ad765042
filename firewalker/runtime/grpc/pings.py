"""Pings, both ways: how often a client may send them, and ours, which keep a flow alive and find the dead (gRFC A8).

NET-06 and NET-11, and NET-42 for channels. grpclib's own keep-alive is switched off: it closes a dead connection by waiting
for it.
"""

import asyncio
from collections.abc import Callable
from time import monotonic

STRIKES = 2
"""Pings that may come too early without our having sent anything in between; as gRPC's servers."""

KEEP_ALIVE = b"keep-ali"
"""What ours carry."""


class PingPolicy:
    """Judges the pings of one client.

    Clients that estimate bandwidth ping after data that they read; so whatever was sent since the last ping excuses it.
    """

    __slots__ = ("_clock", "_interval_s", "_last", "_sent", "_strikes")

    def __init__(self, interval_s: float, clock: Callable[[], float] = monotonic) -> None:
        """One ping per *interval_s* is fine."""
        self._interval_s = interval_s
        self._clock = clock
        self._last = -interval_s
        self._sent = 0
        self._strikes = 0

    def allows(self, sent: int) -> bool:
        """Whether a ping that comes now is fine; *sent* is how many frames with an answer were ever sent."""
        now = self._clock()
        if sent != self._sent:
            self._sent = sent
            self._strikes = 0
        elif now - self._last < self._interval_s:
            self._strikes += 1
        self._last = now
        return self._strikes <= STRIKES


class KeepAlive:
    """Pings a silent peer while calls are open, and tells when it is dead."""

    def __init__(
        self,
        every_s: float,
        answer_s: float,
        *,
        busy: Callable[[], bool],
        ping: Callable[[], None],
        dead: Callable[[], None],
    ) -> None:
        """A peer is pinged after *every_s* of silence and dead after *answer_s* more.

        *busy* tells whether calls are open; *ping* sends one; *dead* is called at most once, then all is stopped.
        """
        self._every_s = every_s
        self._answer_s = answer_s
        self._busy = busy
        self._ping = ping
        self._dead = dead
        self._loop = asyncio.get_running_loop()
        self.heard = 0
        """How often something came from the peer; counted by the protocol."""
        self._heard_before = 0
        self._timer = self._loop.call_later(every_s, self._look)

    def stop(self) -> None:
        """The connection is over."""
        self._timer.cancel()

    def _look(self) -> None:
        if self.heard != self._heard_before or not self._busy():
            self._heard_before = self.heard
            self._timer = self._loop.call_later(self._every_s, self._look)
            return
        self._ping()
        self._timer = self._loop.call_later(self._answer_s, self._judge)

    def _judge(self) -> None:
        # Anything that came is a sign of life, not only the answer.
        if self.heard == self._heard_before:
            self._dead()
            return
        self._heard_before = self.heard
        self._timer = self._loop.call_later(self._every_s, self._look)
