"""StepService: readings in, verdicts out. A hot door: messages are upb objects, answers are put together from bytes.

Serialised messages may be concatenated: repeated fields add up. So a result is serialised once per outcome, at import,
and an answer is its head and one of these for each reading.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import READS, UPLOADS
from firewalker.runtime.grpc.streams import HotStream
from firewalker.runtime.tasks import end
from firewalker.step.domain.day import WHOLE_DATE
from firewalker.step.domain.faults import TooManyReadings
from firewalker.step.domain.reading import FIRST_REJECTED, Outcome, Source
from firewalker.step.ingest import Recorded
from firewalker.step.rpc.days import DayCalls
from firewalker.step.usecases.readings import Judged, Moment, Readings, Taken

MOST_TRACKED: Final = 100
"""Readings of one message of TrackSteps (contract)."""

MOST_RECORDED: Final = 500
"""Readings of one call of RecordSteps (contract)."""

MOST_UNDER_WAY: Final = 8
"""Messages of one stream that are not answered yet; then the stream is not read (contract: "while too much is")."""

MAX_MESSAGE_ID: Final = 64

_NO_SUCH_TIME_MS: Final = 1 << 62
"""For a `recorded_time` that is no Timestamp: later than any clock."""

_SENSOR: Final = int(Source.SENSOR)

_DayTotal = message_class("firewalker.step.v1.DayTotal")
_TrackStepsResponse = message_class("firewalker.step.v1.TrackStepsResponse")
_RecordStepsResponse = message_class("firewalker.step.v1.RecordStepsResponse")


class StepDoor:
    """The door of StepService."""

    SERVICE: ClassVar[str] = "firewalker.step.v1.StepService"
    POLICY: ClassVar[Mapping[str, Rule]] = {
        "TrackSteps": Rule(Caller.USER, priority=Priority.UPLOAD, rate=UPLOADS),
        "RecordSteps": Rule(Caller.USER, priority=Priority.UPLOAD, rate=UPLOADS),
        "CorrectDay": Rule(Caller.USER, max_message_bytes=4_096, priority=Priority.UPLOAD, rate=UPLOADS),
        "GetDay": Rule(Caller.USER, max_message_bytes=1_024, priority=Priority.READ, rate=READS),
        "ListDays": Rule(Caller.USER, max_message_bytes=1_024, priority=Priority.READ, rate=READS),
    }

    def __init__(self, readings: Readings, days: DayCalls) -> None:
        self._readings = readings
        self._days = days

    async def correct_day(self, request: Any) -> Any:
        """Puts right what a device has counted."""
        return await self._days.correct(request)

    async def get_day(self, request: Any) -> Any:
        """One day, with its devices."""
        return await self._days.get(request)

    async def list_days(self, request: Any) -> Any:
        """Days between two dates."""
        return await self._days.list(request)

    async def record_steps(self, request: Any) -> bytes:
        """Takes a batch in; answered when it is durable."""
        if len(request.readings) > MOST_RECORDED:
            raise TooManyReadings
        user = principal().user_id
        judged = _judged(request.readings, self._readings.moment())
        taken = await self._readings.take(user, judged, patient=False)
        return _recorded_answer(await taken.durable())

    async def track_steps(self, stream: HotStream) -> None:
        """Takes messages in while answers of earlier ones are still due; answers in order."""
        due = _Due()
        reading = asyncio.create_task(self._read(stream, due))
        stream.ending.add_done_callback(lambda _: reading.cancel())
        try:
            while isinstance(item := await due.messages.get(), tuple):
                message_id, taken = item
                await stream.send(_tracked_answer(message_id, await taken.durable()))
                due.room.release()
        finally:
            try:
                await end([reading])
            finally:
                due.abandon()
        if item is not None:
            raise item

    async def _read(self, stream: HotStream, due: "_Due") -> None:
        """Take messages until the stream is half-closed (None) or has to end (why), and say so behind the last."""
        user = principal().user_id
        why: Exception | None = None
        try:
            while await due.room.acquire() and (request := await stream.recv()) is not None:
                _check(request)
                judged = _judged(request.readings, self._readings.moment())
                due.messages.put_nowait((request.message_id, await self._readings.take(user, judged, patient=True)))
        except asyncio.CancelledError:
            if not stream.ending.done():
                raise
            why = stream.ending.result()
        except Exception as error:  # noqa: BLE001 - raised by who answers, behind what is due
            why = error
        due.messages.put_nowait(why)


class _Due:
    """Messages of one stream that are not answered yet, then how the stream ends."""

    __slots__ = ("messages", "room")

    def __init__(self) -> None:
        self.messages: asyncio.Queue[tuple[str, Taken] | Exception | None] = asyncio.Queue()
        self.room = asyncio.Semaphore(MOST_UNDER_WAY)

    def abandon(self) -> None:
        """Nobody waits for these answers any more."""
        while not self.messages.empty():
            left = self.messages.get_nowait()
            if isinstance(left, tuple):
                left[1].abandon()


def _check(request: Any) -> None:
    if len(request.readings) > MOST_TRACKED:
        raise TooManyReadings
    if len(request.message_id) > MAX_MESSAGE_ID:
        raise InvalidRequest(violations=[Violation("message_id", f"must have at most {MAX_MESSAGE_ID} characters")])


def _judged(readings: Iterable[Any], moment: Moment) -> list[Judged]:
    judge = moment.window.judge
    now_ms = moment.now_ms
    return [
        judge(
            device_id=reading.device_id,
            date_text=reading.date,
            # Looks for presence only where the number leaves it open; -1 and 24 are no hours.
            slot=_hour(hour) if (hour := reading.hour) or reading.HasField("hour") else WHOLE_DATE,
            steps=reading.steps,
            recorded_ms=_recorded_ms(reading.recorded_time) if reading.HasField("recorded_time") else now_ms,
            source=reading.source or _SENSOR,
            now_ms=now_ms,
        )
        for reading in readings
    ]


def _hour(hour: int) -> int:
    """The slot of an hour; none of the slots where there is no such hour."""
    return hour if hour != WHOLE_DATE else -1


def _recorded_ms(timestamp: Any) -> int:
    seconds, nanos = timestamp.seconds, timestamp.nanos
    if not 0 <= nanos < 1_000_000_000:  # noqa: PLR2004 - a Timestamp's
        return _NO_SUCH_TIME_MS
    return int(seconds * 1000 + nanos // 1_000_000)


def _result(outcome: Outcome) -> dict[str, object]:
    if outcome is Outcome.ACCEPTED_DAY_FINAL:
        return {"verdict": "ACCEPTED", "reason": "DAY_FINAL"}
    if outcome is Outcome.HOUR_CORRECTED:
        return {"verdict": "UNCHANGED", "reason": "HOUR_CORRECTED"}
    if outcome >= FIRST_REJECTED:
        return {"verdict": "REJECTED", "reason": outcome.name}
    return {"verdict": outcome.name}


_TRACKED: Final[Sequence[bytes]] = [
    _TrackStepsResponse(results=[_result(outcome)]).SerializeToString() for outcome in Outcome
]
_RECORDED: Final[Sequence[bytes]] = [
    _RecordStepsResponse(results=[_result(outcome)]).SerializeToString() for outcome in Outcome
]


def _tracked_answer(message_id: str, recorded: Recorded) -> bytes:
    head: bytes = _TrackStepsResponse(message_id=message_id, days=_days(recorded)).SerializeToString()
    return head + b"".join([_TRACKED[outcome] for outcome in recorded.outcomes])


def _recorded_answer(recorded: Recorded) -> bytes:
    head: bytes = _RecordStepsResponse(days=_days(recorded)).SerializeToString()
    return head + b"".join([_RECORDED[outcome] for outcome in recorded.outcomes])


def _days(recorded: Recorded) -> list[Any]:
    return [_DayTotal(date=str(day), total=total) for day, total in sorted(recorded.totals.items())]
