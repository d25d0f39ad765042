"""Delivering what the outbox holds: in order, at least once, to each destination at its own pace.

Any number of processes run a relay on the same table; for each destination one of them delivers at a time. A destination
that is away holds up its own lane only. A fact that is refused holds up nobody: it is put off, and in the end set aside.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from firewalker.kernel.faults import Fault, Kind
from firewalker.runtime.deadline import deadline
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox.appending import Outbox
from firewalker.runtime.outbox.lane import Lane, Row
from firewalker.runtime.outbox.reports import LaneReport
from firewalker.runtime.tasks import begin

POLL_S = 1.0
"""How often a relay looks by itself, for what other processes have written or a dead one has left."""

BUSY_POLL_S = 0.05
"""The same while another process has the lane: it may have looked just before our commit."""

DELIVERY_S = 5.0
"""Longest time for one delivery; half of the lease."""

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_COUNT_EVERY_S = 10.0

# The destination as a whole is in trouble, or we are with it: no fact is to blame.
_NOBODYS_FAULT = frozenset({
    Kind.UNAVAILABLE, Kind.TIMED_OUT, Kind.EXHAUSTED, Kind.CONFLICT, Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.UNSUPPORTED,
})  # fmt: skip

_log = structlog.get_logger(__name__)


class EventSink(Protocol):
    """The receiving end of a destination."""

    async def deliver(self, payloads: Sequence[bytes]) -> None:
        """Hand over at most 100 serialised events, oldest first; return once they are durable there.

        Raises:
            Fault: They are not, or it is not known.
        """


class Relay:
    """Delivers to *destinations* (by name) from the outbox in *database*. Between `start` and `stop` it works by itself."""

    def __init__(self, database: Database, destinations: Mapping[str, EventSink], outbox: Outbox | None = None) -> None:
        """With *outbox*, commits of this process are delivered at once, not within a second."""
        self._lanes = {name: _LaneWorker(Lane(database, name), sink) for name, sink in destinations.items()}
        self._tasks: list[asyncio.Task[None]] = []
        if outbox is not None:
            outbox.on_wake(self.wake)

    async def start(self) -> None:
        """Begin to deliver."""
        self._tasks = [begin(worker.run(), f"relay to {name}") for name, worker in self._lanes.items()]

    def wake(self) -> None:
        """Look now."""
        for worker in self._lanes.values():
            worker.wake()

    async def stop(self) -> None:
        """Finish the deliveries under way and give up the lanes; the rest waits for the next process."""
        for worker in self._lanes.values():
            worker.finish()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def replay(self, destination: str) -> int:
        """Deliver what was set aside for *destination* again, and tell how many facts that are."""
        worker = self._lanes[destination]
        count = await worker.lane.replay()
        worker.wake()
        return count


class _LaneWorker:
    def __init__(self, lane: Lane, sink: EventSink) -> None:
        self.lane = lane
        self._sink = sink
        self._report = LaneReport(lane.destination)
        self._woken = asyncio.Event()
        self._finishing = False
        self._troubles = 0
        self._counted = 0.0

    def wake(self) -> None:
        self._woken.set()

    def finish(self) -> None:
        self._finishing = True
        self._woken.set()

    async def run(self) -> None:
        prepared = False
        while not self._finishing:
            self._woken.clear()
            try:
                if not prepared:
                    await self.lane.prepare()
                    prepared = True
                pause_s = await self._work()
                await self._count()
            except Fault as fault:
                pause_s = self._in_trouble(fault.reason)
            except Exception:  # noqa: BLE001 - logged, counted, tried again
                _log.exception("relay_failed", destination=self.lane.destination)
                pause_s = self._in_trouble("bug")
            await self._pause(pause_s)
        try:
            await self.lane.release()
        except Fault as fault:
            _log.warning("lane_not_released", destination=self.lane.destination, reason=fault.reason)  # it expires

    async def _work(self) -> float:
        """Deliver until nothing is due; how long to wait then."""
        if not await self.lane.has_work():
            return POLL_S
        delivered: Sequence[Row] = ()
        while True:
            taken = await self.lane.take(delivered)
            delivered = ()
            if taken is None:
                return BUSY_POLL_S
            if not taken.rows or self._finishing:
                return POLL_S
            if taken.orphaned:
                _log.warning("lane_taken_over", destination=self.lane.destination)
                await self._deliver_one_by_one(taken.rows)
            elif await self._deliver(taken.rows) is None:
                delivered = taken.rows
            else:
                # Somebody in there is refused; whoever it is, the others go through.
                await self._deliver_one_by_one(taken.rows)
            self._troubles = 0

    async def _deliver_one_by_one(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if self._finishing:
                return
            await self.lane.begin_attempt(row)
            refusal = await self._deliver([row])
            if refusal is None:
                await self.lane.take([row])
            else:
                _log.warning("event_refused", destination=self.lane.destination, event_id=row.event_id, reason=refusal)
                self._report.refused()
                await self.lane.fail(row, refusal)

    async def _deliver(self, rows: Sequence[Row]) -> str | None:
        """Hand *rows* over; None, or why they were refused.

        Raises:
            Fault: The destination is in trouble as a whole.
        """
        try:
            with deadline(DELIVERY_S):
                async with asyncio.timeout(DELIVERY_S):
                    await self._sink.deliver([row.payload for row in rows])
        except Fault as fault:
            if fault.kind in _NOBODYS_FAULT:
                raise
            return fault.reason
        except TimeoutError:
            raise _NoAnswer from None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this event that is refused
            _log.exception("delivery_failed", destination=self.lane.destination)
            return type(error).__name__
        self._report.delivered(len(rows))
        return None

    def _in_trouble(self, reason: str) -> float:
        self._troubles += 1
        self._report.in_trouble()
        longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._troubles, 10))
        if self._troubles == 1 or self._troubles % 20 == 0:
            _log.warning("relay_in_trouble", destination=self.lane.destination, reason=reason, times=self._troubles)
        return random.uniform(longest_s / 2, longest_s)  # noqa: S311 - spreads, protects nothing

    async def _pause(self, seconds: float) -> None:
        # In trouble, being woken by each commit would make the pauses void.
        woken = self._woken.wait() if not self._troubles else self._until_finishing()
        try:
            async with asyncio.timeout(seconds):
                await woken
        except TimeoutError:
            pass

    async def _until_finishing(self) -> None:
        while not self._finishing:
            self._woken.clear()
            await self._woken.wait()

    async def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._counted >= _COUNT_EVERY_S:
            self._counted = now
            self._report.counted(await self.lane.counts())


class _NoAnswer(Fault):
    kind = Kind.TIMED_OUT
    reason = "EVENT_DELIVERY_TIMED_OUT"
    message = "The destination did not take the events in time."
