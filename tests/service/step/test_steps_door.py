"""StepService through a real server, called by grpcio."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.mysql import Database
from firewalker.step.app import build
from firewalker.step.config import StepConfig
from tests.service.step.calls import sign_up
from tests.service.step.reading import someone
from tests.support.databases import run_on
from tests.support.services import Service, serving
from tests.support.waiting import until

TODAY = datetime.now(UTC).date()
SERVICE = "/firewalker.step.v1.StepService/"
TrackStepsRequest = message_class("firewalker.step.v1.TrackStepsRequest")
TrackStepsResponse = message_class("firewalker.step.v1.TrackStepsResponse")
RecordStepsRequest = message_class("firewalker.step.v1.RecordStepsRequest")
RecordStepsResponse = message_class("firewalker.step.v1.RecordStepsResponse")
ACCEPTED, UNCHANGED, REJECTED = 1, 2, 3


@pytest.fixture
async def step(mysql_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving("step", StepConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url) as service:
        yield service


def reading(steps: int, **fields: Any) -> dict[str, Any]:
    return {"device_id": "phone", "date": str(TODAY), "hour": 9, "steps": steps, **fields}


def whole_day(steps: int) -> dict[str, Any]:
    return {"device_id": "band", "date": str(TODAY), "steps": steps}


async def record(step: Service, readings: Iterable[dict[str, Any]], metadata: Any = None) -> Any:
    call = step.public.unary_unary(
        SERVICE + "RecordSteps", RecordStepsRequest.SerializeToString, RecordStepsResponse.FromString
    )
    return await call(
        RecordStepsRequest(readings=list(readings)), metadata=metadata or step.as_user(new_uuid7()), timeout=60
    )


def track(step: Service, metadata: Any = None) -> Any:
    call = step.public.stream_stream(
        SERVICE + "TrackSteps", TrackStepsRequest.SerializeToString, TrackStepsResponse.FromString
    )
    return call(metadata=metadata or step.as_user(new_uuid7()), timeout=60)


def message(name: str, *readings: dict[str, Any]) -> Any:
    return TrackStepsRequest(message_id=name, readings=readings)


def verdicts(answer: Any) -> list[tuple[int, str]]:
    return [(result.verdict, result.reason) for result in answer.results]


def totals(answer: Any) -> dict[str, int]:
    return {day.date: day.total for day in answer.days}


def reason(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return error.code(), info.reason


async def ended(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        while await call.read() is not grpc.aio.EOF:
            pass
    return reason(caught.value)


async def test_a_batch_is_answered_reading_by_reading(step: Service) -> None:
    walker = someone()
    await sign_up(step, walker, "UTC")
    user = step.as_user(walker)
    yesterday = str(TODAY - timedelta(days=1))
    batch = [reading(1_000), reading(500, hour=10), reading(900), whole_day(1_400), reading(5, date=yesterday)]
    answer = await record(step, batch, user)
    # In UTC yesterday is FINAL from noon on.
    late = "DAY_FINAL" if datetime.now(UTC).hour >= 12 else ""
    assert verdicts(answer) == [(ACCEPTED, ""), (ACCEPTED, ""), (UNCHANGED, ""), (ACCEPTED, ""), (ACCEPTED, late)]
    assert [(day.date, day.total) for day in answer.days] == [(yesterday, 5), (str(TODAY), 1_500)]
    again = await record(step, batch, user)
    assert verdicts(again) == [(UNCHANGED, "")] * 5
    assert totals(again) == totals(answer)


async def test_a_refused_reading_does_not_spoil_its_neighbours(step: Service) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    answer = await record(
        step,
        [
            reading(100),
            reading(100, date=str(TODAY + timedelta(days=3))),
            reading(100, date=str(TODAY - timedelta(days=20))),
            reading(15_001),
            {**whole_day(100_001)},
            reading(100, recorded_time={"seconds": int(soon.timestamp())}),
            reading(100, recorded_time={"seconds": 1, "nanos": -5}),
            reading(100, device_id=""),
            reading(100, date=""),
            reading(100, date="tomorrow"),
            reading(100, hour=24),
            reading(100, hour=-1),
            reading(-1),
            reading(100, source=77),
            reading(200, hour=0),
        ],
    )
    refused = [
        "DATE_IN_FUTURE",
        "DATE_TOO_OLD",
        "STEPS_IMPLAUSIBLE",
        "STEPS_IMPLAUSIBLE",
        "RECORDED_IN_FUTURE",
        "RECORDED_IN_FUTURE",
        *["INVALID_READING"] * 7,
    ]
    assert verdicts(answer) == [(ACCEPTED, ""), *((REJECTED, why) for why in refused), (ACCEPTED, "")]
    assert totals(answer) == {str(TODAY): 300}


async def test_a_day_that_is_final_accepts_for_the_owner_only(step: Service) -> None:
    answer = await record(step, [reading(100, date=str(TODAY - timedelta(days=4)))])
    assert verdicts(answer) == [(ACCEPTED, "DAY_FINAL")]
    assert totals(answer) == {str(TODAY - timedelta(days=4)): 100}


@pytest.mark.requirement("DATA-25")
async def test_messages_are_answered_in_order_and_what_is_answered_is_stored(step: Service, mysql_url: str) -> None:
    call = track(step)
    for n in range(1, 51):
        await call.write(message(f"m{n}", reading(n), reading(20_000)))
    await call.done_writing()
    answers = [answer async for answer in call]
    assert [answer.message_id for answer in answers] == [f"m{n}" for n in range(1, 51)]
    assert all(verdicts(answer) == [(ACCEPTED, ""), (REJECTED, "STEPS_IMPLAUSIBLE")] for answer in answers)
    assert [totals(answer) for answer in answers][-1] == {str(TODAY): 50}
    assert await run_on(mysql_url, "SELECT h09 FROM day_device") == [(50,)]
    assert await call.code() is grpc.StatusCode.OK


async def test_a_message_with_nothing_good_is_answered_in_its_place(step: Service) -> None:
    call = track(step)
    for name, *readings in (("a", reading(1)), ("b",), ("c", reading(-1)), ("d", reading(2))):
        await call.write(message(str(name), *readings))
    await call.done_writing()
    answers = [answer async for answer in call]
    assert [answer.message_id for answer in answers] == ["a", "b", "c", "d"]
    assert [len(answer.results) for answer in answers] == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (message("m", *[reading(1)] * 101), (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_READINGS")),
        (message("m" * 65, reading(1)), (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")),
    ],
)
async def test_a_bad_message_ends_the_stream_behind_the_answers_due(
    step: Service, bad: Any, expected: tuple[grpc.StatusCode, str]
) -> None:
    call = track(step)
    for n in range(5):
        await call.write(message(f"m{n}", reading(n + 1)))
    await call.write(bad)
    answers = [await call.read() for _ in range(5)]
    assert [answer.message_id for answer in answers] == [f"m{n}" for n in range(5)]
    assert await ended(call) == expected


async def test_more_than_500_readings_are_too_many(step: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await record(step, [reading(1)] * 501)
    assert reason(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_READINGS")


@pytest.mark.parametrize("method", ["TrackSteps", "RecordSteps"])
async def test_nobody_can_record_steps_without_a_token(step: Service, method: str) -> None:
    call = step.public.stream_stream(
        SERVICE + method, TrackStepsRequest.SerializeToString, TrackStepsResponse.FromString
    )
    assert await ended(call(timeout=60)) == (grpc.StatusCode.UNAUTHENTICATED, "ACCESS_TOKEN_INVALID")


async def test_a_walker_records_their_own_day_only(step: Service) -> None:
    first, second = step.as_user(new_uuid7()), step.as_user(new_uuid7())
    await record(step, [reading(5_000)], first)
    assert totals(await record(step, [reading(10)], second)) == {str(TODAY): 10}


async def test_a_client_that_leaves_in_the_middle_hurts_nobody(step: Service) -> None:
    gone, stays = [track(step) for _ in range(10)], track(step)
    for n in range(1, 21):
        for call in gone:
            await call.write(message(f"m{n}", reading(n)))
        await stays.write(message(f"m{n}", reading(n)))
        if n == 10:
            for call in gone:
                call.cancel()
            gone = []
    await stays.done_writing()
    assert [answer.message_id async for answer in stays] == [f"m{n}" for n in range(1, 21)]


async def test_a_failed_commit_ends_the_stream_with_its_fault_and_the_next_stream_works(
    step: Service, mysql_url: str
) -> None:
    user = step.as_user(new_uuid7())
    call = track(step, user)
    await call.write(message("a", reading(1)))
    assert (await call.read()).message_id == "a"
    await run_on(mysql_url, "RENAME TABLE day_device TO elsewhere")
    await call.write(message("b", reading(2)))
    assert await ended(call) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    await run_on(mysql_url, "RENAME TABLE elsewhere TO day_device")
    assert verdicts(await record(step, [reading(2)], user)) == [(ACCEPTED, "")]


async def test_a_stream_is_answered_what_it_sent_before_it_is_told_of_the_drain(step: Service) -> None:
    call = track(step)
    await call.write(message("a", reading(1)))
    assert (await call.read()).message_id == "a"
    for n in range(5):
        await call.write(message(f"m{n}", reading(n + 2)))
    answers = [asyncio.create_task(step.app.servers[0].drain(3.0))]
    seen = [(await call.read()).message_id for _ in range(5)]
    assert seen == [f"m{n}" for n in range(5)]
    assert await ended(call) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")
    await asyncio.gather(*answers)


async def test_readings_do_not_wait_behind_boards_that_are_read(step: Service) -> None:
    walker = someone()
    await sign_up(step, walker)
    me = step.as_user(walker)
    await record(step, [reading(1)], me)
    boards: Database = cast("Any", step.app.checks["mysql"]).__self__

    async def read_slowly() -> None:
        async with boards.reading() as tx:
            await tx.one("SELECT SLEEP(2.5)")

    readers = [asyncio.create_task(read_slowly()) for _ in range(40)]
    await until(lambda: boards.pool.waiting > 0)
    answer = await record(step, [reading(2)], me)
    assert [result.verdict for result in answer.results] == [ACCEPTED]
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
