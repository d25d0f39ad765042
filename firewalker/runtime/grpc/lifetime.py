"""How long a connection lives: ended when idle, and when old, each time so that no call is lost (NET-09, gRFC A9)."""

import asyncio
import random
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from firewalker.kernel.faults import Draining, Fault
from firewalker.runtime.grpc.limits import Limits

_SPREAD = 0.1
"""By how much an age differs from the limit, either way: connections made together shall not all end together."""

_GOODBYE_S = 5.0
"""How long calls may take to end once they were told to: streams get a second from `offer_end`, the rest is reading."""


class Mortal(Protocol):
    """What a lifetime ends; the processor of a connection."""

    quiet_since: float | None
    """Since when no call is open, in seconds of `time.monotonic`; None while there are calls."""

    def begin_drain(self) -> None:
        """Tell the client to go elsewhere; calls finish, then the connection ends."""

    def offer_end(self, fault: Fault, /) -> None:
        """Ask streams to end."""


class Lifetime:
    """The clock of one connection."""

    def __init__(
        self,
        limits: Limits,
        connection: Mortal,
        *,
        ended: Callable[[str], None],
        cut: Callable[[str], None],
    ) -> None:
        """*ended* is told why a drain begins, *cut* drops a connection whose calls outlive the grace."""
        self._limits = limits
        self._connection = connection
        self._ended = ended
        self._cut = cut
        self._loop = asyncio.get_running_loop()
        age_s = limits.age_s * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - spreads, protects nothing
        self._idle = self._loop.call_later(limits.idle_s, self._look)
        self._age = self._loop.call_later(age_s, self._grow_old)

    def stop(self) -> None:
        """The connection is over."""
        self._idle.cancel()
        self._age.cancel()

    def _look(self) -> None:
        """Looks once per idle time and then as long as is left, so that calls need no timer."""
        since = self._connection.quiet_since
        left_s = self._limits.idle_s if since is None else since + self._limits.idle_s - monotonic()
        if left_s > 0:
            self._idle = self._loop.call_later(left_s, self._look)
            return
        self._ended("idle")
        self._connection.begin_drain()

    def _grow_old(self) -> None:
        self._ended("aged")
        self._connection.begin_drain()
        self._age = self._loop.call_later(self._limits.age_grace_s, self._lose_patience)

    def _lose_patience(self) -> None:
        self._connection.offer_end(Draining())
        self._age = self._loop.call_later(_GOODBYE_S, self._cut, "outlived")
