"""How many unary calls run at once, who waits for a moment, and who is told at once to come back (NET-31, NET-32).

One `Admission` for all ports of a process. Which limit is right is `concurrency.py`'s; this is the counting, the queue and
the refusals. Nothing here awaits: a call that cannot run costs no task.

Classes of calls share the limit by importance: each may fill it up to its own share, so that what matters more finds room
when what matters less has taken its own. Health checks pass always. Streams hold no place, but none begins while calls of
its importance would be refused.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

from firewalker.kernel.faults import Overloaded
from firewalker.runtime.grpc.concurrency import ConcurrencyLimit
from firewalker.runtime.grpc.policy import Priority
from firewalker.runtime.grpc.status import Outcome, outcome_of
from firewalker.runtime.metrics import REGISTRY

if TYPE_CHECKING:
    from firewalker.runtime.grpc.call import Call

SHARES = {Priority.SIGN_IN: 1.0, Priority.UPLOAD: 0.95, Priority.READ: 0.85, Priority.OTHER: 0.7}
"""Up to which part of the limit calls of each importance may fill it."""

QUEUE_CALLS = 200
"""Most calls that wait for a place: a burst, such as everybody's app waking at the same push, is taken in, not refused."""

WAIT_S = 0.05
"""Longest wait for a place in quiet times: an uneven moment is smoothed, nobody's patience is used up."""

BUSY_WAIT_S = 0.01
"""Longest wait once every call has had to wait for `WAIT_S`: a queue that stands only makes all calls
late (controlled delay, after Facebook's use of CoDel)."""

_SWEEP_S = 0.005
_RETRY_S = (0.5, 1.5)
"""Between these, at random, lies when a refused client may try again: they must not all come back together."""

_RUNNING = Gauge("firewalker_grpc_running", "Unary calls that hold a place.", registry=REGISTRY)
_WAITING = Gauge("firewalker_grpc_waiting", "Unary calls that wait for a place.", registry=REGISTRY)
_LIMIT = Gauge("firewalker_grpc_concurrency_limit", "Places for unary calls.", registry=REGISTRY)
_REFUSED = Counter(
    "firewalker_grpc_overload_refusals_total",
    "Calls told to come back, by importance and by whether they had waited.",
    ["priority", "waited"],
    registry=REGISTRY,
)


class Admission:
    """The places of one process."""

    def __init__(
        self, limit: ConcurrencyLimit | None = None, *, queue: int = QUEUE_CALLS, now: Callable[[], float] = monotonic
    ) -> None:
        """*queue* is how many calls may wait; 0 for none."""
        self.limit = limit or ConcurrencyLimit()
        self.running = 0
        """Calls that hold a place."""
        self._under_way: set[Call] = set()
        self.limit.under_way = lambda: [(call.method.path, call.placed) for call in self._under_way]
        self._queue_calls = queue
        self._queues: tuple[deque[tuple[float, Call]], ...] = tuple(deque() for _ in Priority)
        self._waiting = 0
        self._full_since: float | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._now = now
        # Rendering a refusal with its details costs more than everything else about it.
        self._refusals = [_refusal(random.uniform(*_RETRY_S)) for _ in range(16)]  # noqa: S311 - spreads clients
        self._refused = 0
        self._counters = {
            (priority, waited): _REFUSED.labels(priority.name.lower(), waited)
            for priority in Priority
            for waited in ("yes", "no")
        }
        self._shares = tuple(SHARES.get(priority, 1.0) for priority in Priority)
        _RUNNING.set_function(lambda: self.running)
        _WAITING.set_function(lambda: self._waiting)
        _LIMIT.set_function(lambda: self.limit.value)

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return self._waiting

    def enter(self, call: "Call") -> None:
        """Start *call* now, later, or refuse it at once."""
        method = call.method
        priority = method.rule.priority
        if priority is Priority.HEALTH:
            call.start()
        elif not self._waiting and self._has_room(priority):
            self._full_since = None
            if not method.streaming:
                self._take(call)
            call.start()
        elif method.streaming:
            # Its place would be its own for hours; whether it may begin is a question of this moment.
            if self._has_room(priority):
                call.start()
            else:
                self._refuse(call, priority, "no")
        else:
            self._wait(call, priority)

    def leave(self, call: "Call", seconds: float, *, served: bool) -> None:
        """*call* is over, *seconds* after it got its place; the time that it waited for one says nothing about the rest.

        *served* is False for what the client left or a door refused: its time tells nothing either.
        """
        if call.placed:
            call.placed = 0.0
            self.running -= 1
            self._under_way.discard(call)
            if served:
                self.limit.observe(call.method.path, seconds)
            if self._waiting:
                self._admit_waiting()

    def _has_room(self, priority: Priority) -> bool:
        return self.running < self.limit.value * self._shares[priority]

    def _take(self, call: "Call") -> None:
        call.placed = self._now()
        self.running += 1
        self._under_way.add(call)
        self.limit.begun(self.running)

    def _wait(self, call: "Call", priority: Priority) -> None:
        self.limit.strained = True
        if self._waiting >= self._queue_calls and not self._displace(priority):
            self._refuse(call, priority, "no")
            return
        now = self._now()
        if self._full_since is None:
            self._full_since = now
        self._queues[priority].append((now, call))
        self._waiting += 1
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)
        self._admit_waiting()

    def _displace(self, newcomer: Priority) -> bool:
        """Make room in the queue by refusing the oldest of those that matter least, if less than the newcomer."""
        for priority in sorted(Priority, reverse=True):
            if priority <= newcomer:
                return False
            if self._queues[priority]:
                self._refuse_oldest(priority)
                return True
        return False

    def _admit_waiting(self) -> None:
        """Give free places to who waits, the most important first, and refuse who has waited for too long."""
        self._refuse_late()
        for priority in Priority:
            queue = self._queues[priority]
            while queue and self._has_room(priority):
                _, call = queue.popleft()
                self._waiting -= 1
                if not call.done:
                    self._take(call)
                    call.start()

    def _refuse_late(self) -> None:
        now = self._now()
        # An empty queue is no sign of quiet where it was emptied by refusals; only a call that need not wait is.
        busy = self._full_since is not None and now - self._full_since > WAIT_S
        patience_s = BUSY_WAIT_S if busy else WAIT_S
        for priority in Priority:
            queue = self._queues[priority]
            while queue and (queue[0][1].done or now - queue[0][0] > patience_s):
                self._refuse_oldest(priority)

    def _refuse_oldest(self, priority: Priority) -> None:
        _, call = self._queues[priority].popleft()
        self._waiting -= 1
        if not call.done:
            self._refuse(call, priority, "yes")

    def _sweep(self) -> None:
        self._sweeper = None
        self._admit_waiting()
        if self._waiting:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _refuse(self, call: "Call", priority: Priority, waited: str) -> None:
        self.limit.strained = True
        self._counters[priority, waited].inc()
        self._refused += 1
        call.refuse(self._refusals[self._refused % len(self._refusals)])


def _refusal(retry_s: float) -> Outcome:
    return outcome_of(Overloaded(retry_after=timedelta(seconds=round(retry_s, 2))))
