"""Calls through grpcio: both kinds of doors, who may call, deadlines, and how faults and bugs look to a client."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as StatusMessage

from firewalker.gen.pb.firewalker.user.v1 import LoginRequest, LoginResponse, SignUpRequest
from firewalker.kernel.faults import Fault, InvalidRequest, Kind, Overloaded, Violation
from firewalker.runtime import deadline
from firewalker.runtime.grpc.policy import Caller, Rule
from tests.service.grpc.conftest import SERVICE_TOKEN, Bench, refusal
from tests.service.grpc.doors import (
    DELIVER,
    GET,
    LOGIN,
    RECORD,
    SIGN_UP,
    TRACK,
    AuthDoor,
    BoardDoor,
    GetResponse,
    RecordStepsRequest,
    RecordStepsResponse,
    SinkDoor,
    StepDoor,
    TrackStepsRequest,
    TrackStepsResponse,
)
from tests.service.grpc.raw import RawClient, grpc_headers
from tests.support.waiting import until

USER = Rule(Caller.USER)


def details(error: Any) -> tuple[StatusMessage, dict[type, Any]]:
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = StatusMessage.FromString(raw)
    found = {}
    for packed in status.details:
        for kind in (ErrorInfo, BadRequest, RetryInfo):
            message = kind()
            if packed.Unpack(message):
                found[kind] = message
    return status, found


def reason(error: Any) -> str:
    text: str = details(error)[1][ErrorInfo].reason
    return text


async def test_a_hot_unary_call_is_answered(bench: Bench) -> None:
    server = await bench.serve(StepDoor())
    call = bench.channel(server).unary_unary(RECORD)
    answer = await call(RecordStepsRequest(readings=[{}, {}]).SerializeToString(), timeout=60)
    assert len(RecordStepsResponse.FromString(answer).results) == 2
    assert bench.measures.calls(RECORD, "OK") == 1


async def test_an_ordinary_unary_call_is_answered(bench: Bench) -> None:
    server = await bench.serve(AuthDoor())
    request = LoginRequest(email="a@b", password="지수").SerializeToString()
    answer = await bench.channel(server).unary_unary(LOGIN)(request, timeout=60)
    assert LoginResponse.parse(answer).user.email == "a@b"  # type: ignore[union-attr]


async def test_a_bidi_stream_answers_each_message(bench: Bench) -> None:
    server = await bench.serve(StepDoor())
    call = bench.channel(server).stream_stream(TRACK)(timeout=60)
    for number in range(5):
        await call.write(TrackStepsRequest(message_id=str(number)).SerializeToString())
        assert TrackStepsResponse.FromString(await call.read()).message_id == str(number)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_a_large_answer_passes_in_pieces(bench: Bench) -> None:
    door = StepDoor()
    answer = RecordStepsResponse(results=[{"reason": "x" * 1000} for _ in range(500)])

    async def record(request: Any) -> Any:
        del request
        return answer

    door.on_record = record
    server = await bench.serve(door)
    got = await bench.channel(server).unary_unary(RECORD)(b"", timeout=60)
    assert RecordStepsResponse.FromString(got) == answer


async def test_many_calls_at_once_on_one_connection_are_each_answered(bench: Bench) -> None:
    server = await bench.serve(StepDoor())
    call = bench.channel(server).unary_unary(RECORD)
    sizes = [n % 7 for n in range(300)]
    requests = [RecordStepsRequest(readings=[{}] * size).SerializeToString() for size in sizes]
    answers = await asyncio.gather(*(call(request, timeout=60) for request in requests))
    assert [len(RecordStepsResponse.FromString(answer).results) for answer in answers] == sizes
    await until(lambda: server.open_calls == 0)


class TestWhoMayCall:
    @pytest.mark.requirement("AUTH-08")
    async def test_a_user_method_asks_for_a_token(self, bench: Bench) -> None:
        server = await bench.serve(BoardDoor())
        call = bench.channel(server).unary_unary(GET)
        error = await refusal(call(b"", timeout=60))
        assert (error.code(), reason(error)) == (grpc.StatusCode.UNAUTHENTICATED, "ACCESS_TOKEN_INVALID")
        claims = bench.signer.claims()
        token = (("authorization", f"Bearer {bench.signer.sign(claims)}"),)
        answer = GetResponse.FromString(await call(b"", metadata=token, timeout=60))
        assert answer.leaderboard.entries[0].user_id == claims["sub"]

    async def test_an_expired_token_is_told_apart(self, bench: Bench) -> None:
        server = await bench.serve(BoardDoor())
        old = bench.bearer(now=datetime.now(UTC) - timedelta(hours=1))
        error = await refusal(bench.channel(server).unary_unary(GET)(b"", metadata=old, timeout=60))
        assert (error.code(), reason(error)) == (grpc.StatusCode.UNAUTHENTICATED, "ACCESS_TOKEN_EXPIRED")

    @pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer x.y.z", "bearer " + "A" * 5000])
    async def test_other_authorizations_are_refused(self, bench: Bench, value: str) -> None:
        server = await bench.serve(BoardDoor())
        metadata = (("authorization", value),)
        error = await refusal(bench.channel(server).unary_unary(GET)(b"", metadata=metadata, timeout=60))
        assert reason(error) == "ACCESS_TOKEN_INVALID"

    async def test_on_a_public_method_a_valid_token_is_used_and_an_invalid_one_is_as_good_as_none(
        self, bench: Bench
    ) -> None:
        server = await bench.serve(AuthDoor())
        call = bench.channel(server).unary_unary(LOGIN)
        request = LoginRequest(email="a", password="b").SerializeToString()
        signed_in = LoginResponse.parse(await call(request, metadata=bench.bearer(), timeout=60))
        assert signed_in.user is not None
        assert signed_in.user.user_id
        stranger = LoginResponse.parse(await call(request, metadata=(("authorization", "Bearer x"),), timeout=60))
        assert stranger.user is not None
        assert not stranger.user.user_id

    async def test_a_revoked_session_is_refused(self, bench: Bench) -> None:
        class Revoked:
            def is_revoked(self, principal: Any) -> bool:
                return bool(principal)

        bench.revocations = Revoked()
        server = await bench.serve(BoardDoor())
        error = await refusal(bench.channel(server).unary_unary(GET)(b"", metadata=bench.bearer(), timeout=60))
        assert (error.code(), reason(error)) == (grpc.StatusCode.UNAUTHENTICATED, "SESSION_REVOKED")

    async def test_the_internal_port_asks_for_a_service_credential(self, bench: Bench) -> None:
        server = await bench.serve(SinkDoor(), internal=True)
        call = bench.channel(server).unary_unary(DELIVER)
        for metadata in ((), bench.bearer(), (("authorization", "Bearer " + "x" * 300),)):
            error = await refusal(call(b"", metadata=metadata, timeout=60))
            assert (error.code(), reason(error)) == (grpc.StatusCode.UNAUTHENTICATED, "SERVICE_CREDENTIAL_INVALID")
        await call(b"", metadata=(("authorization", f"Bearer {SERVICE_TOKEN}"),), timeout=60)


class TestFaults:
    @pytest.mark.requirement("NET-04")
    async def test_a_fault_reaches_the_client_with_all_it_says(self, bench: Bench) -> None:
        door = StepDoor()

        class NotNow(Fault):
            kind = Kind.PRECONDITION
            reason = "NOT_NOW"
            message = "Not now: 50%, 지수."

        async def record(request: Any) -> Any:
            del request
            raise NotNow(metadata={"a": "b"}, violations=[Violation("x.y", "no")], retry_after=timedelta(seconds=2))

        door.on_record = record
        server = await bench.serve(door)
        error = await refusal(bench.channel(server).unary_unary(RECORD)(b"", timeout=60))
        assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "Not now: 50%, 지수.")
        status, found = details(error)
        assert (status.code, status.message) == (9, "Not now: 50%, 지수.")
        assert (found[ErrorInfo].reason, found[ErrorInfo].domain, found[ErrorInfo].metadata["a"]) == (
            "NOT_NOW", "firewalker", "b",
        )  # fmt: skip
        assert found[BadRequest].field_violations[0].field == "x.y"
        assert found[RetryInfo].retry_delay.seconds == 2
        assert bench.measures.calls(RECORD, "FAILED_PRECONDITION") == 1

    async def test_every_missing_field_of_a_request_is_told(self, bench: Bench) -> None:
        server = await bench.serve(AuthDoor())
        request = SignUpRequest(email="a@b").SerializeToString()
        error = await refusal(bench.channel(server).unary_unary(SIGN_UP)(request, timeout=60))
        _, found = details(error)
        assert found[ErrorInfo].reason == InvalidRequest.reason
        assert [v.field for v in found[BadRequest].field_violations] == ["password", "nickname", "time_zone"]

    @pytest.mark.requirement("NET-04")
    async def test_a_bug_shows_a_request_id_to_the_client_and_the_traceback_to_the_log(self, bench: Bench) -> None:
        door = StepDoor()

        async def record(request: Any) -> Any:
            del request
            raise ZeroDivisionError("secret")

        door.on_record = record
        server = await bench.serve(door)
        call = bench.channel(server).unary_unary(RECORD)(b"", metadata=(("x-request-id", "mine-1"),), timeout=60)
        error = await refusal(call)
        assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "internal error; request id mine-1")
        assert "secret" not in str(error)
        assert dict(error.initial_metadata() or error.trailing_metadata())["x-request-id"] == "mine-1"
        (bug,) = [entry for entry in bench.log.entries if entry["event"] == "bug"]
        assert bug["request_id"] == "mine-1"
        assert bug["exc_info"][0] is ZeroDivisionError

    async def test_a_door_that_forgets_to_answer_is_a_bug(self, bench: Bench) -> None:
        door = StepDoor()

        async def record(request: Any) -> Any:
            del request

        door.on_record = record
        server = await bench.serve(door)
        error = await refusal(bench.channel(server).unary_unary(RECORD)(b"", timeout=60))
        assert error.code() is grpc.StatusCode.INTERNAL

    async def test_a_cancellation_from_inside_is_a_bug_not_a_silence(self, bench: Bench) -> None:
        door = StepDoor()

        async def record(request: Any) -> Any:
            del request
            raise asyncio.CancelledError

        door.on_record = record
        server = await bench.serve(door)
        error = await refusal(bench.channel(server).unary_unary(RECORD)(b"", timeout=60))
        assert error.code() is grpc.StatusCode.INTERNAL

    async def test_each_call_has_one_log_line(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor())
        call = bench.channel(server).unary_unary(RECORD)(b"", metadata=(("x-request-id", "mine-2"),), timeout=60)
        await call
        assert dict(await call.initial_metadata())["x-request-id"] == "mine-2"
        (line,) = [entry for entry in bench.log.entries if entry.get("request_id") == "mine-2"]
        assert (line["event"], line["method"], line["status"], line["reason"]) == ("call", RECORD, "OK", "")


class TestDeadlines:
    @pytest.mark.requirement("NET-30")
    @pytest.mark.alone
    async def test_the_smaller_of_the_clients_and_the_rules_deadline_reaches_the_handler(self, bench: Bench) -> None:
        seen = []
        door = StepDoor(Rule(Caller.PUBLIC, deadline_s=3))

        async def record(request: Any) -> Any:
            del request
            seen.append(deadline.remaining())
            return RecordStepsResponse()

        door.on_record = record
        server = await bench.serve(door)
        call = bench.channel(server).unary_unary(RECORD)
        await call(b"")
        await call(b"", timeout=1)
        await call(b"", timeout=60)
        first, short, long = (left or 0 for left in seen)
        assert short < 1.1 < first < 3.1  # the wire rounds up
        assert 1.1 < long < 3.1

    @pytest.mark.requirement("NET-30")
    async def test_a_call_past_its_deadline_is_cancelled_and_answered(self, bench: Bench) -> None:
        door = StepDoor(Rule(Caller.PUBLIC, deadline_s=0.05))

        async def record(request: Any) -> Any:
            del request
            await asyncio.sleep(60)

        door.on_record = record
        server = await bench.serve(door)
        error = await refusal(bench.channel(server).unary_unary(RECORD)(b""))
        assert (error.code(), reason(error)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert door.cancelled == 1

    @pytest.mark.requirement("NET-23")
    async def test_a_hundred_streams_of_a_client_that_leaves_all_end(self, bench: Bench) -> None:
        door = StepDoor()
        server = await bench.serve(door)
        async with RawClient(server.port) as client:
            for _ in range(100):
                await client.request(grpc_headers(TRACK), None, end=False)
            await until(lambda: door.running == 100)
        await until(lambda: door.cancelled == 100)
        assert door.running == 0

    @pytest.mark.requirement("NET-23")
    async def test_a_cancelled_call_is_cancelled_in_its_handler(self, bench: Bench) -> None:
        door = StepDoor()

        async def record(request: Any) -> Any:
            del request
            await asyncio.sleep(60)

        door.on_record = record
        server = await bench.serve(door)
        call = bench.channel(server).unary_unary(RECORD)(b"")
        await until(lambda: door.running == 1)
        call.cancel()
        await until(lambda: door.cancelled == 1)
        await until(lambda: bench.measures.calls(RECORD, "CANCELLED") == 1)
        assert server.open_calls == 0


async def test_overload_tells_when_to_come_back(bench: Bench) -> None:
    door = StepDoor()

    async def record(request: Any) -> Any:
        del request
        raise Overloaded(retry_after=timedelta(milliseconds=250))

    door.on_record = record
    server = await bench.serve(door)
    error = await refusal(bench.channel(server).unary_unary(RECORD)(b"", timeout=60))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(error)[1][RetryInfo].retry_delay.nanos == 250_000_000
