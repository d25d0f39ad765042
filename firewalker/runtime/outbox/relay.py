"""Delivering what the outbox holds: in order, at least once, to each destination at its own pace.

Any number of processes run a relay on the same table; in each lane one of them delivers at a time. A destination is one lane,
or, where one is not enough, one for each share of those whom facts are about (`shares`): then processes have lanes in turns.
A destination that is away holds up its own lanes only. A fact that is refused, or takes its receiver too long, holds up nobody
for long: it is put off, and in the end set aside. So is one that whoever delivers it dies of.
A destination that fails at whatever it is given, or is too slow with all that is next, has a bug or too much to do: then no
fact is to blame, and none is set aside for it.
"""

import asyncio
import math
import random
from collections.abc import Collection, Mapping, Sequence

import structlog

from firewalker.kernel.faults import Fault
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox.appending import Outbox
from firewalker.runtime.outbox.delivery import Delivery, EventSink
from firewalker.runtime.outbox.doubts import Doubts
from firewalker.runtime.outbox.gate import Gate
from firewalker.runtime.outbox.lane import Lane, Row
from firewalker.runtime.outbox.reports import LaneReport
from firewalker.runtime.outbox.shares import ALL, EVERYBODY
from firewalker.runtime.tasks import begin

POLL_S = 1.0
"""How often a relay looks by itself, for what other processes have written or a dead one has left."""

BUSY_POLL_S = 0.05
"""The same while another process has the lane: it may have looked just before our commit."""

TURN_S = 10.0
"""How long a process keeps the lane of a share while there is no end of work: then others have their turn, if they want it."""

LEAVE_S = 0.25
"""How long to leave the lane of a share to another process, whatever is committed here meanwhile: it finds that as well."""

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_COUNT_EVERY_S = 10.0

_log = structlog.get_logger(__name__)


class Relay:
    """Delivers to *destinations* (by name) from the outbox in *database*. Between `start` and `stop` it works by itself."""

    def __init__(
        self,
        database: Database,
        destinations: Mapping[str, EventSink],
        outbox: Outbox | None = None,
        *,
        split: Collection[str] = (),
    ) -> None:
        """With *outbox*, commits of this process are delivered at once, not within a second.

        Destinations that are *split* have a lane for each share: order is kept among facts about the same thing alone.
        """
        self._lanes = {
            worker.lane.name: worker
            for name, sink in destinations.items()
            for worker in (
                _split(database, name, sink) if name in split else [_LaneWorker(Lane(database, name), sink, Doubts())]
            )
        }
        self._tasks: list[asyncio.Task[None]] = []
        if outbox is not None:
            outbox.on_wake(self.wake)

    async def start(self) -> None:
        """Begin to deliver."""
        self._tasks = [begin(worker.run(), f"relay to {name}") for name, worker in self._lanes.items()]

    def wake(self, shares: Collection[int] = ALL) -> None:
        """Look now, in lanes of whole destinations and of these *shares*."""
        for worker in self._lanes.values():
            if worker.lane.share is None or worker.lane.share in shares:
                worker.wake()

    async def stop(self) -> None:
        """Finish the deliveries under way and give up the lanes; the rest waits for the next process."""
        for worker in self._lanes.values():
            worker.finish()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _split(database: Database, destination: str, sink: EventSink) -> list["_LaneWorker"]:
    gate, doubts = Gate(database, destination), Doubts()
    return [_LaneWorker(Lane(database, destination, share, gate), sink, doubts) for share in ALL]


class _LaneWorker:
    def __init__(self, lane: Lane, sink: EventSink, doubts: Doubts) -> None:
        self.lane = lane
        self._report = LaneReport(lane.destination)
        self._delivery = Delivery(lane, sink, doubts, self._report)
        self._woken = asyncio.Event()
        self._finishing = False
        self._troubles = 0
        self._patient = False
        """Whether others have the lane, and commits are their matter."""
        self._counted = 0.0

    def wake(self) -> None:
        self._woken.set()

    def finish(self) -> None:
        self._finishing = True
        self._delivery.finish()
        self._woken.set()

    async def run(self) -> None:
        prepared = False
        while not self._finishing:
            self._woken.clear()
            self._patient = False
            try:
                if not prepared:
                    await self.lane.prepare()
                    prepared = True
                pause_s = await self._work()
            except Fault as fault:
                pause_s = self._in_trouble(fault.reason)
            except Exception:  # noqa: BLE001 - logged, counted, tried again
                _log.exception("relay_failed", lane=self.lane.name)
                pause_s = self._in_trouble("bug")
            await self._pause(pause_s)
        if self._delivery.suspicious:
            return  # who has it next is to be as careful
        try:
            await self.lane.release()
        except Fault as fault:
            _log.warning("lane_not_released", lane=self.lane.name, reason=fault.reason)  # it expires

    async def _work(self) -> float:
        """Deliver until nothing is due; how long to wait then."""
        await self._count()  # first, and while there is no end of work: what cannot be delivered is to be told of
        if not await self.lane.has_work():
            self._troubles = 0
            return POLL_S
        delivered: Sequence[Row] = ()
        now = asyncio.get_running_loop().time
        until = math.inf if self.lane.share is None else now() + TURN_S
        while True:
            taken = await self.lane.take(delivered)
            if taken is None:
                return self._left_to_others()
            if not taken.rows or self._finishing:
                return POLL_S if self.lane.share is None else LEAVE_S  # what there is may wait for another lane
            if now() > until and not self._delivery.suspicious:
                await self.lane.release()
                return self._left_to_others()
            await self._count()
            delivered = await self._delivery.hand_over(taken)
            self._troubles = 0

    def _left_to_others(self) -> float:
        self._patient = self.lane.share is not None
        return LEAVE_S if self._patient else BUSY_POLL_S

    def _in_trouble(self, reason: str) -> float:
        self._troubles += 1
        self._report.in_trouble()
        longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._troubles, 10))
        if self._troubles == 1 or self._troubles % 20 == 0:
            _log.warning("relay_in_trouble", lane=self.lane.name, reason=reason, times=self._troubles)
        return random.uniform(longest_s / 2, longest_s)  # noqa: S311 - spreads, protects nothing

    async def _pause(self, seconds: float) -> None:
        # Being woken by each commit would make the pauses void.
        woken = self._until_finishing() if self._troubles or self._patient else self._woken.wait()
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
        if self.lane.share not in (None, EVERYBODY):
            return  # one of a destination's lanes counts for all
        now = asyncio.get_running_loop().time()
        if now - self._counted >= _COUNT_EVERY_S:
            self._counted = now
            self._report.counted(await self.lane.counts())
