"""CorrectDay, GetDay and ListDays through a real server, called by grpcio."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.grpc.messages import message_class
from firewalker.step.app import build
from firewalker.step.config import StepConfig
from tests.support.services import Service, serving

TODAY = datetime.now(UTC).date()
OLD = TODAY - timedelta(days=5)
SERVICE = "/firewalker.step.v1.StepService/"


@pytest.fixture
async def step(mysql_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving("step", StepConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url) as service:
        yield service


class Owner:
    """Somebody who has days."""

    def __init__(self, step: Service) -> None:
        self._step = step
        self._metadata = step.as_user(new_uuid7())

    async def call(self, name: str, **fields: Any) -> Any:
        request = message_class(f"firewalker.step.v1.{name}Request")
        answer = message_class(f"firewalker.step.v1.{name}Response")
        call = self._step.public.unary_unary(SERVICE + name, request.SerializeToString, answer.FromString)
        return await call(request(**fields), metadata=self._metadata, timeout=60)

    async def refused(self, name: str, **fields: Any) -> tuple[grpc.StatusCode, str, list[str]]:
        """Status, reason, and the fields that are wrong."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(name, **fields)
        trailers = dict(caught.value.trailing_metadata() or ())
        details = status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        assert details[0].Unpack(info)
        for detail in details[1:]:
            detail.Unpack(bad)
        return caught.value.code(), info.reason, [violation.field for violation in bad.field_violations]


def reading(steps: int, hour: int | None = 9, **fields: Any) -> dict[str, Any]:
    when = {} if hour is None else {"hour": hour}
    return {"device_id": "phone", "date": str(TODAY), "steps": steps, **when, **fields}


def hours(**steps: int) -> list[int]:
    return [steps.get(f"h{hour}", 0) for hour in range(24)]


async def test_a_day_tells_which_device_won_which_hour(step: Service) -> None:
    ann = Owner(step)
    await ann.call(
        "RecordSteps",
        readings=[
            reading(100, 8),
            reading(300, 9),
            reading(200, 8, device_id="watch", source="WEARABLE"),
            reading(50, 9, device_id="watch", source="WEARABLE"),
        ],
    )
    day = (await ann.call("GetDay", date=str(TODAY))).day
    assert (day.date, day.total, day.revision, day.under_review) == (str(TODAY), 500, 0, False)
    assert list(day.hourly) == hours(h8=200, h9=300)
    assert {hour: name for hour, name in enumerate(day.hourly_device_ids) if name} == {8: "watch", 9: "phone"}
    assert day.whole_day_device_id == ""
    assert [(device.device_id, device.total) for device in day.devices] == [("phone", 400), ("watch", 250)]
    assert abs(day.last_reading_time.ToSeconds() - datetime.now(UTC).timestamp()) < 60
    assert day.State.Name(day.state) in {"OPEN", "SETTLING"}  # SETTLING if midnight passes in the middle
    await ann.call("RecordSteps", readings=[reading(900, None, device_id="band")])
    day = (await ann.call("GetDay", date=str(TODAY))).day
    assert (day.total, day.whole_day_device_id) == (900, "band")


async def test_days_without_a_reading_are_absent(step: Service) -> None:
    ann = Owner(step)
    assert await ann.refused("GetDay", date=str(TODAY)) == (grpc.StatusCode.NOT_FOUND, "DAY_NOT_FOUND", [])
    await ann.call("RecordSteps", readings=[reading(0), reading(70, date=str(OLD))])
    listed = (await ann.call("ListDays", start_date=str(OLD), end_date=str(TODAY))).days
    assert [(day.date, day.total) for day in listed] == [(str(OLD), 70), (str(TODAY), 0)]
    assert listed[0].State.Name(listed[0].state) == "FINAL"
    assert not listed[0].devices
    assert not listed[0].HasField("goal")
    tomorrow = str(TODAY + timedelta(days=1))
    assert not (await ann.call("ListDays", start_date=tomorrow, end_date=tomorrow)).days
    assert not (await Owner(step).call("ListDays", start_date=str(OLD), end_date=str(TODAY))).days


async def test_a_corrected_day_is_answered_as_it_is_now(step: Service) -> None:
    ann = Owner(step)
    await ann.call("RecordSteps", readings=[reading(9_000, 9, date=str(OLD)), reading(10, 8, date=str(OLD))])
    truth = {"date": str(OLD), "device_id": "phone", "hours": hours(h9=400), "reason": "that was the tram"}
    day = (await ann.call("CorrectDay", **truth)).day
    assert (day.total, day.revision, list(day.hourly)) == (400, 1, hours(h9=400))
    assert [(device.device_id, device.revision) for device in day.devices] == [("phone", 1)]
    answer = await ann.call("RecordSteps", readings=[reading(9_500, 9, date=str(OLD))])
    assert [(result.verdict, result.reason) for result in answer.results] == [(2, "HOUR_CORRECTED")]
    assert (await ann.call("GetDay", date=str(OLD))).day.total == 400
    again = (await ann.call("CorrectDay", **{**truth, "hours": hours(h9=5_000)})).day
    assert (again.total, again.revision) == (5_000, 2)


@pytest.mark.requirement("PRIV-04")
async def test_what_cannot_be_is_refused_by_its_name(step: Service) -> None:
    ann = Owner(step)
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    truth = {"date": str(TODAY), "device_id": "phone", "hours": hours(), "reason": ""}
    assert await ann.refused("CorrectDay", **truth) == (grpc.StatusCode.NOT_FOUND, "DAY_NOT_FOUND", [])
    for wrong, fields in (
        ({"hours": [1] * 23}, ["hours"]),
        ({"hours": [5_000] * 24}, ["hours"]),
        ({"hours": hours(h3=15_001, h5=-1)}, ["hours[3]", "hours[5]"]),
        ({"date": "2026-02-30", "reason": "x" * 201}, ["date", "reason"]),
        ({"device_id": "x" * 65}, ["device_id"]),
        ({"device_id": "", "date": ""}, ["date", "device_id"]),
        ({"date": "9999-12-31"}, ["date"]),
    ):
        assert await ann.refused("CorrectDay", **{**truth, **wrong}) == (invalid, "INVALID_REQUEST", fields)
    for day in ("0001-01-01", "9999-12-31"):
        assert await ann.refused("GetDay", date=day) == (invalid, "INVALID_REQUEST", ["date"])
    year_later = str(TODAY + timedelta(days=400))
    for start, end, fields in (
        (str(TODAY), year_later, ["end_date"]),
        (str(TODAY), str(OLD), ["end_date"]),
        ("now", "later", ["start_date", "end_date"]),
        ("0001-01-01", "0001-12-31", ["start_date", "end_date"]),
        ("9999-01-01", "9999-12-31", ["start_date", "end_date"]),
    ):
        assert await ann.refused("ListDays", start_date=start, end_date=end) == (invalid, "INVALID_REQUEST", fields)
