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
from itertools import takewhile
from typing import Protocol

import structlog

from firewalker.kernel.faults import Fault, Kind
from firewalker.runtime.deadline import deadline
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import lane as lanes
from firewalker.runtime.outbox.appending import Outbox
from firewalker.runtime.outbox.doubts import Doubts
from firewalker.runtime.outbox.gate import Gate
from firewalker.runtime.outbox.lane import Lane, Row, Taken
from firewalker.runtime.outbox.reports import LaneReport
from firewalker.runtime.outbox.rounds import Refused, Round
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

GATHER_S = 0.2
"""How long the lane of a share waits behind a delivery that was not full: many small ones cost more than few large ones."""

DELIVERY_S = 5.0
"""Longest time for one delivery; half of the lease. With less than half of the lease left none is begun."""

PATIENCE = 3
"""So often in a row a delivery that begins with the same fact comes too late until its facts are tried one by one."""

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
            SinkFailed: They are not, and it may be the fault of one of them or of the receiver.
            Fault: They are not, or it is not known.
        """


class SinkFailed(Fault):
    """The receiver failed, as by a bug: over one of these facts, or over any."""

    kind = Kind.UNAVAILABLE
    reason = "EVENT_SINK_FAILED"
    message = "The receiving service failed."


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
            for worker in (_split(database, name, sink) if name in split else [_LaneWorker(Lane(database, name), sink)])
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
    def __init__(self, lane: Lane, sink: EventSink, doubts: Doubts | None = None) -> None:
        """*doubts* are those of all lanes to the receiver: what arrives in one speaks against a fact in another."""
        self.lane = lane
        self._sink = sink
        self._report = LaneReport(lane.destination)
        self._woken = asyncio.Event()
        self._finishing = False
        self._troubles = 0
        self._patient = False
        """Whether others have the lane, and commits are their matter."""
        self._doubts = doubts or Doubts()
        self._late = (0, 0)
        """With which fact the last delivery began that came too late, and how many such there were in a row."""
        self._unanswered: frozenset[int] = frozenset()
        """Where those are that came too late one by one, with none arriving since: the next round looks behind them."""
        self._suspicious = False
        """Whether a former holder of the lane may have died of a fact in it: each is to be tried alone yet."""
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
        if self._suspicious:
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
            if now() > until:
                await self.lane.release()
                return self._left_to_others()
            await self._count()
            delivered = await self._hand_over(taken)
            self._troubles = 0

    def _left_to_others(self) -> float:
        self._patient = self.lane.share is not None
        return LEAVE_S if self._patient else BUSY_POLL_S

    async def _hand_over(self, taken: Taken) -> Sequence[Row]:
        """Deliver what was *taken*: together, or one by one where one of them may be to blame. Those to be removed yet."""
        if taken.orphaned:
            _log.warning("lane_taken_over", lane=self.lane.name)
            self._suspicious = True
        alone = self._suspicious or any(row.attempts >= lanes.MAX_ATTEMPTS for row in taken.rows)
        try:
            if not alone and await self._went_together(taken.rows):
                return taken.rows
            await self._deliver_one_by_one(taken.rows)
        except _LaneLost:
            pass  # whoever has it judges for themselves
        return ()

    async def _went_together(self, rows: Sequence[Row]) -> bool:
        """Whether *rows* arrived; if not, somebody in there is to blame. Whoever it is, the others go through."""
        try:
            await self._deliver(rows)
        except Refused:
            return False
        except Fault as fault:
            if self._is_late_again(rows, fault):
                return False
            raise
        if self.lane.share is not None and len(rows) < lanes.BATCH:
            await asyncio.sleep(GATHER_S)
        return True

    def _is_late_again(self, rows: Sequence[Row], fault: Fault) -> bool:
        """Whether one of *rows* may be what keeps the receiver so long: they were tried often enough, or one was blamed before."""
        if fault.kind is not Kind.TIMED_OUT:
            return False
        first, times = self._late
        self._late = (rows[0].position, times + 1 if first == rows[0].position else 1)
        return self._late[1] >= PATIENCE or any(row.attempts for row in rows)

    async def _deliver_one_by_one(self, rows: Sequence[Row]) -> None:
        """Deliver as many of *rows* as can be, and find out which cannot.

        Raises:
            Fault: The destination is in trouble as a whole.
        """
        if self.lane.share == EVERYBODY:
            # Behind them, others are free to deliver what they went along with.
            rows = list(takewhile(lambda row: row.share == EVERYBODY, rows))
        found = Round(rows, self._unanswered)
        try:
            for row in found.rows:
                if self._finishing or found.hopeless:
                    break
                await self._try(row, found)
            else:
                self._suspicious = False
        except Fault:
            await self._judge(found)
            raise
        await self._judge(found)
        if found.late and not found.arrived:
            raise _NoAnswer
        if found.doubtful and not found.arrived:
            raise SinkFailed

    async def _try(self, row: Row, found: Round, *, again: bool = False) -> None:
        """Deliver *row* alone; *again*: behind another that has arrived, so that it is to blame if it comes too late."""
        if not await self.lane.begin_attempt(row):
            raise _LaneLost
        try:
            await self._deliver([row])
        except Refused as refused:
            if refused.doubtful:
                found.doubtful.append((row, refused.by))
            else:
                await self._fail(row, refused.by)
        except Fault as fault:
            late = fault.kind is Kind.TIMED_OUT
            if late and again:
                await self._fail(row, fault.reason)
                return
            await self.lane.spare(row, fault.reason, 0)  # it keeps its place
            if not late:
                raise
            found.late.append(row)
        else:
            found.arrived += 1
            if not await self.lane.finish(row):
                raise _LaneLost
            if not again:
                await self._try_late_ones(found)

    async def _try_late_ones(self, found: Round) -> None:
        """One has arrived: what came too late before goes next, if the receiver was to blame; else it is."""
        for row in found.take_unanswered():
            if self._finishing:
                return
            await self._try(row, found, again=True)

    async def _judge(self, found: Round) -> None:
        """What the receiver failed over, without refusing it, is to blame if others arrived since it was tried last.

        What came too late with nothing arriving behind it keeps its place, as while the receiver is away.
        """
        self._unanswered = found.unanswered
        for row, reason in found.doubtful:
            wait_s = self._doubts.note(row.position, others_arrived=found.arrived > 0)
            if wait_s is None:
                await self._fail(row, reason)
            else:
                await self.lane.spare(row, reason, wait_s)
        if found.arrived or not found.rows:
            for row in found.deadly:
                await self._fail(row, "ENDED_ITS_SENDER")

    async def _fail(self, row: Row, reason: str) -> None:
        _log.warning("event_refused", lane=self.lane.name, event_id=row.event_id, reason=reason)
        self._report.refused()
        await self.lane.fail(row, reason)

    async def _deliver(self, rows: Sequence[Row]) -> None:
        """Hand *rows* over.

        Raises:
            Refused: One of them is.
            _LaneLost: It is not sure that the lane is ours for so long; nothing was sent.
            Fault: The destination is in trouble as a whole.
        """
        left_s = self.lane.lease_left_s
        if left_s < lanes.LEASE_S / 2:
            raise _LaneLost
        limit_s = min(DELIVERY_S, left_s)
        try:
            with deadline(limit_s):
                async with asyncio.timeout(limit_s):
                    await self._sink.deliver([row.payload for row in rows])
        except SinkFailed as fault:
            raise Refused(fault.reason, doubtful=True) from fault
        except Fault as fault:
            if fault.kind in _NOBODYS_FAULT:
                raise
            raise Refused(fault.reason) from fault
        except TimeoutError:
            raise _NoAnswer from None
        except Exception as error:
            _log.exception("delivery_failed", lane=self.lane.name)
            raise Refused(type(error).__name__, doubtful=True) from error
        self._report.delivered(len(rows))
        self._doubts.arrived()

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


class _NoAnswer(Fault):
    kind = Kind.TIMED_OUT
    reason = "EVENT_DELIVERY_TIMED_OUT"
    message = "The destination did not take the events in time."


class _LaneLost(Exception):
    """Another relay may have the lane."""
