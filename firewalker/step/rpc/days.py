"""The caller's days as messages, and what is asked of them. The door is `steps`'."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from firewalker.kernel.days import parse_date
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.messages import message_class
from firewalker.step.domain.correction import MAX_REASON
from firewalker.step.domain.day import HOURS, WHOLE_DATE, State
from firewalker.step.domain.history import MOST_DAYS, OwnDay
from firewalker.step.domain.period import EARLIEST, LATEST
from firewalker.step.domain.reading import MAX_DAILY_STEPS, MAX_DEVICE_ID, MAX_HOURLY_STEPS
from firewalker.step.usecases.corrections import Corrected, Corrections
from firewalker.step.usecases.days import Days

_Day = message_class("firewalker.step.v1.Day")
_CorrectedAnswer = message_class("firewalker.step.v1.CorrectDayResponse")
_Got = message_class("firewalker.step.v1.GetDayResponse")
_Listed = message_class("firewalker.step.v1.ListDaysResponse")

_STATES: Final = {state: _Day.State.Value(state.name) for state in State}

_IMPLAUSIBLE: Final = "STEPS_IMPLAUSIBLE"


class DayCalls:
    """Answers what a user asks of their own days."""

    def __init__(self, days: Days, corrections: Corrections) -> None:
        self._days = days
        self._corrections = corrections

    async def correct(self, request: Any) -> Any:
        """CorrectDay."""
        violations: list[Violation] = []
        day = _date(request.date, "date", violations)
        if len(request.device_id) > MAX_DEVICE_ID:
            violations.append(Violation("device_id", f"must have at most {MAX_DEVICE_ID} characters"))
        if len(request.reason) > MAX_REASON:
            violations.append(Violation("reason", f"must have at most {MAX_REASON} characters"))
        violations += _refused(request.hours)
        if day is None or violations:
            raise InvalidRequest(violations=violations)
        user = principal().user_id
        truth = Corrected(request.device_id, tuple(request.hours), request.reason)
        await self._corrections.correct(user, day, truth)
        return _CorrectedAnswer(day=render(await self._days.get(user, day)))

    async def get(self, request: Any) -> Any:
        """GetDay."""
        violations: list[Violation] = []
        day = _date(request.date, "date", violations)
        if day is None or violations:
            raise InvalidRequest(violations=violations)
        return _Got(day=render(await self._days.get(principal().user_id, day)))

    async def list(self, request: Any) -> Any:
        """ListDays."""
        violations: list[Violation] = []
        start, end = (
            _date(request.start_date, "start_date", violations),
            _date(request.end_date, "end_date", violations),
        )
        if start is not None and end is not None and not timedelta(0) <= end - start < timedelta(days=MOST_DAYS):
            violations.append(
                Violation("end_date", f"must be at most {MOST_DAYS - 1} days after the start, and not before")
            )
        if start is None or end is None or violations:
            raise InvalidRequest(violations=violations)
        days = await self._days.list(principal().user_id, start, end)
        return _Listed(days=[render(day, explained=False) for day in days])


def render(day: OwnDay, *, explained: bool = True) -> Any:
    """*day* as a message; *explained* with its devices, and which of them each hour is from."""
    message = _Day(
        date=day.date.isoformat(),
        total=day.merge.total,
        hourly=day.merge.hourly,
        state=_STATES[day.state],
        whole_day_device_id=day.merge.whole_day_device,
        revision=day.revision,
        under_review=day.under_review,
    )
    message.last_reading_time.FromMilliseconds(day.last_reading_ms)
    if day.goal is not None:
        message.goal = day.goal
        message.goal_reached = day.merge.total >= day.goal
    if explained:
        message.hourly_device_ids.extend(day.merge.hourly_devices)
        for device_id, device in sorted(day.devices.items()):
            hours = device.counts[:HOURS]
            shown = message.devices.add(
                device_id=device_id,
                source=device.source,
                hourly=hours,
                whole_day=device.counts[WHOLE_DATE],
                total=max(sum(hours), device.counts[WHOLE_DATE]),
                revision=device.revision,
            )
            shown.last_reading_time.FromMilliseconds(device.last_reading_ms)
    return message


def _refused(hours: Sequence[int]) -> list[Violation]:
    """What is wrong with the steps of a corrected day."""
    if len(hours) != HOURS:
        return [Violation("hours", f"must be {HOURS}")]
    violations = [
        Violation(f"hours[{hour}]", f"must be from 0 to {MAX_HOURLY_STEPS}", _IMPLAUSIBLE)
        for hour, steps in enumerate(hours)
        if not 0 <= steps <= MAX_HOURLY_STEPS
    ]
    if not violations and sum(hours) > MAX_DAILY_STEPS:
        violations.append(Violation("hours", f"must be at most {MAX_DAILY_STEPS} together", _IMPLAUSIBLE))
    return violations


def _date(text: str, field: str, violations: list[Violation]) -> date | None:
    day = parse_date(text)
    if day is None:
        violations.append(Violation(field, "must be a date, YYYY-MM-DD"))
    elif not EARLIEST <= day <= LATEST:
        violations.append(Violation(field, f"must be from {EARLIEST} to {LATEST}", "DATE_OUT_OF_RANGE"))
    return day
