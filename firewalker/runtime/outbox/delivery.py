"""What becomes of facts that a lane has next: they go together or, where one of them may be to blame, one by one.

Together, as long as they arrive or the receiver is away. One by one if it refuses or fails, if it is too slow several times, or
if a sender may have died of one of them: then what is refused is to blame by itself; what is failed over or comes too late, only
if others arrive.
"""

import asyncio
from collections.abc import Sequence
from itertools import takewhile
from typing import Protocol

import structlog

from firewalker.kernel.faults import Fault, Kind
from firewalker.runtime.deadline import deadline
from firewalker.runtime.outbox import lane as lanes
from firewalker.runtime.outbox.doubts import Doubts
from firewalker.runtime.outbox.lane import Lane, Row, Taken
from firewalker.runtime.outbox.reports import LaneReport
from firewalker.runtime.outbox.rounds import Refused, Round
from firewalker.runtime.outbox.shares import EVERYBODY

GATHER_S = 0.2
"""How long the lane of a share waits behind a delivery that was not full: many small ones cost more than few large ones."""

DELIVERY_S = 5.0
"""Longest time for one delivery; half of the lease. With less than half of the lease left none is begun."""

PATIENCE = 3
"""So often in a row a delivery that begins with the same fact comes too late until its facts are tried one by one."""

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


class Delivery:
    """Delivers what a lane has, to *sink*."""

    def __init__(self, lane: Lane, sink: EventSink, doubts: Doubts, report: LaneReport) -> None:
        """*doubts* are those of all lanes to the receiver: what arrives in one speaks against a fact in another."""
        self._lane = lane
        self._sink = sink
        self._report = report
        self._finishing = False
        self._doubts = doubts
        self._late = (0, 0)
        """With which fact the last delivery began that came too late, and how many such there were in a row."""
        self._unanswered: frozenset[int] = frozenset()
        """The positions of those that came too late one by one, with none arriving since: the next round looks behind them."""
        self.suspicious = False
        """Whether a former holder of the lane may have died of a fact in it: each is to be tried alone yet."""

    def finish(self) -> None:
        """Begin nothing more."""
        self._finishing = True

    async def hand_over(self, taken: Taken) -> Sequence[Row]:
        """Deliver what was *taken*: together, or one by one where one of them may be to blame. Those to be removed yet."""
        if taken.orphaned:
            _log.warning("lane_taken_over", lane=self._lane.name)
            self.suspicious = True
        alone = self.suspicious or any(row.attempts >= lanes.MAX_ATTEMPTS for row in taken.rows)
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
        if self._lane.share is not None and len(rows) < lanes.BATCH:
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
        if self._lane.share == EVERYBODY:
            # Behind them, others are free to deliver what they went along with.
            rows = list(takewhile(lambda row: row.share == EVERYBODY, rows))
        found = Round(rows, self._unanswered)
        try:
            for row in found.rows:
                if self._finishing or found.hopeless:
                    break
                await self._try(row, found)
            else:
                self.suspicious = False
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
        if not await self._lane.begin_attempt(row):
            raise _LaneLost
        try:
            await self._deliver([row])
        except Refused as refused:
            if refused.doubtful:
                found.doubtful.append((row, refused.by))
            else:
                await self._fail(row, refused.by)
        except Fault as fault:
            if fault.kind is not Kind.TIMED_OUT:
                await self._lane.spare(row, fault.reason, 0)
                raise
            await self._came_late(row, found, fault.reason, again=again)
        else:
            found.arrived += 1
            if not await self._lane.finish(row):
                raise _LaneLost
            if not again:
                await self._try_late_ones(found)

    async def _came_late(self, row: Row, found: Round, reason: str, *, again: bool) -> None:
        if again:
            await self._fail(row, reason)
        elif self._lane.share == EVERYBODY:
            # Nothing stands behind it that could show whose fault it is, and all other lanes wait for it: it is put off.
            found.doubtful.append((row, reason))
        else:
            await self._lane.spare(row, reason, 0)  # it keeps its place: the receiver may be slow for now
            found.late.append(row)

    async def _try_late_ones(self, found: Round) -> None:
        """One has arrived: what came too late before goes next, if the receiver was to blame; else it is."""
        for row in found.take_unanswered():
            if self._finishing:
                return
            await self._try(row, found, again=True)

    async def _judge(self, found: Round) -> None:
        """What the receiver failed over, without refusing it, is to blame if others arrived since it was tried last."""
        self._unanswered = found.unanswered
        for row, reason in found.doubtful:
            wait_s = self._doubts.note(row.position, others_arrived=found.arrived > 0)
            if wait_s is None:
                await self._fail(row, reason)
            else:
                await self._lane.spare(row, reason, wait_s)
        if found.arrived or not found.rows:
            for row in found.deadly:
                await self._fail(row, "ENDED_ITS_SENDER")

    async def _fail(self, row: Row, reason: str) -> None:
        _log.warning("event_refused", lane=self._lane.name, event_id=row.event_id, reason=reason)
        self._report.refused()
        await self._lane.fail(row, reason)

    async def _deliver(self, rows: Sequence[Row]) -> None:
        """Hand *rows* over.

        Raises:
            Refused: One of them is.
            _LaneLost: It is not sure that the lane is ours for so long; nothing was sent.
            Fault: The destination is in trouble as a whole.
        """
        left_s = self._lane.lease_left_s
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
            _log.exception("delivery_failed", lane=self._lane.name)
            raise Refused(type(error).__name__, doubtful=True) from error
        self._report.delivered(len(rows))
        self._doubts.arrived()


class _NoAnswer(Fault):
    kind = Kind.TIMED_OUT
    reason = "EVENT_DELIVERY_TIMED_OUT"
    message = "The destination did not take the events in time."


class _LaneLost(Exception):
    """Another relay may have the lane."""
