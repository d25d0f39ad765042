"""Group commit as the rest of the service sees it: messages go in, and come back when they are durable.

A user is always in the same lane, so a lane alone decides what of that user's is known; each lane has at most one
transaction under way.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import date

from prometheus_client import Gauge

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Draining, Overloaded
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database
from firewalker.step.domain.overtake import Walked
from firewalker.step.domain.reading import Counted
from firewalker.step.ingest.group import Recorded
from firewalker.step.ingest.lane import Lane
from firewalker.step.live import LiveTotals

_WAITING = Gauge("firewalker_step_readings_waiting", "Readings taken and not yet in a group.", registry=REGISTRY)


class Ingest:
    """Makes readings durable. All streams of a process share one."""

    def __init__(
        self,
        database: Database,
        live: LiveTotals,
        clock: Clock,
        *,
        lanes: int = 2,
        max_group: int = 2_000,
        max_waiting: int = 20_000,
        max_known: int = 100_000,
        walked: Callable[[Collection[Walked]], None] | None = None,
    ) -> None:
        """*max_group* readings are committed at once per lane and *max_waiting* may wait there; both are exceeded by less
        than one message. *max_known* device days, and as many totals, are remembered over all lanes (some 500 bytes each).
        *walked* is called with what was walked live, once it is durable; it must return at once.
        """
        each = max(2, max_known // lanes)
        self._lanes = [
            Lane(database, live, clock, max_group=max_group, max_waiting=max_waiting, max_known=each, walked=walked)
            for _ in range(lanes)
        ]
        self._draining = False
        _WAITING.set_function(lambda: sum(lane.waiting for lane in self._lanes))

    async def start(self) -> None:
        """Begin to commit."""
        for number, lane in enumerate(self._lanes):
            lane.start(f"ingest-lane-{number}")

    async def stop(self) -> None:
        """Take nothing more, commit what was taken, end. Returns when every message taken has its answer."""
        self._draining = True
        for lane in self._lanes:
            await lane.stop()

    async def room(self, user: bytes) -> None:
        """Wait until the lane of *user* takes another message. This is what makes streams stop reading."""
        await self._lane(user).room()

    def submit(self, user: bytes, readings: Sequence[Counted]) -> "asyncio.Future[Recorded]":
        """Take *readings*; the future tells what became of them once they are durable. It may be cancelled.

        It fails with the fault of its group's commit: then nothing is known of these readings, and repeating is safe.

        Raises:
            Overloaded: The lane is full; `room` waits for it.
            Draining: This process is stopping.
        """
        if self._draining:
            raise Draining
        lane = self._lane(user)
        if lane.full:
            raise Overloaded
        return lane.submit(user, readings)

    async def record(self, user: bytes, readings: Sequence[Counted]) -> Recorded:
        """Make *readings* durable. Raises what `submit` and its future do."""
        return await self.submit(user, readings)

    def corrected(self, user: bytes, day: date) -> None:
        """The *user*'s *day* was corrected, and that is committed: readings are merged with what MySQL says now."""
        self._lane(user).corrected((user, day))

    def _lane(self, user: bytes) -> Lane:
        return self._lanes[user[-1] % len(self._lanes)]
