"""Input that is wrong, through the real wire: a clear status with a reason, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from grpclib.client import Channel
from grpclib.const import Cardinality

from firewalker.gen.pb.firewalker.step.v1 import TrackStepsRequest, TrackStepsResponse
from firewalker.local.backend import Backend
from tests.system.people import BOARDS, FRIENDS, STEPS, TODAY, USERS, Person, Town
from tests.system.trackers import TRACK, GrpcioTracker
from tests.system.wire import Refusal, refused, request_of

RECORD = f"{STEPS}/RecordSteps"

LEAKS = ("Traceback", 'File "', ".py", "aiomysql", "pymysql", "SELECT ", "INSERT ", "asyncio")
"""What no client may be told."""


def reading(**changes: Any) -> dict[str, Any]:
    return {"deviceId": "phone", "date": TODAY, "hour": 9, "steps": 100} | changes


def clean(refusal: Refusal) -> Refusal:
    assert not [leak for leak in LEAKS if leak in refusal.text]
    assert refusal.domain == "firewalker"
    return refusal


@pytest.mark.requirement("NET-03", "PRIV-04")
async def test_bytes_that_are_no_message_are_refused(town: Town) -> None:
    person = await town.person()
    for garbage in (b"\xff\xff\xff", b"\x0a\xff\x01", b"\x0f\x01", b"\x0a\x03abc" * 3 + b"\x0a\x7fshort"):
        refusal = clean(await refused(town.step.unary(RECORD, garbage, person.token)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")
    assert (await town.record(person, 10)).days[0].total == 10


async def test_missing_fields_are_all_named(town: Town) -> None:
    refusal = clean(await refused(town.user.unary("firewalker.user.v1.AuthService/SignUp", {})))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert set(refusal.violations) == {"email", "password", "nickname", "time_zone"}


async def test_an_unknown_user_cannot_be_asked(town: Town) -> None:
    person = await town.person()
    send = f"{FRIENDS}/SendFriendRequest"
    refusal = clean(await refused(town.user.unary(send, {"userId": str(uuid4())}, person.token)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    refusal = clean(await refused(town.user.unary(send, {"userId": person.user_id}, person.token)))
    assert refusal.reason == "CANNOT_BEFRIEND_SELF"
    refusal = clean(await refused(town.user.unary(send, {"userId": "me"}, person.token)))
    assert (refusal.code, refusal.violations) == (grpc.StatusCode.INVALID_ARGUMENT, ("user_id",))


async def test_a_rejected_reading_does_not_spoil_its_neighbours(town: Town) -> None:
    person = await town.person()
    bad = {
        "DATE_IN_FUTURE": reading(date="2099-01-01"),
        "DATE_TOO_OLD": reading(date="2020-01-01"),
        "STEPS_IMPLAUSIBLE": reading(steps=15_001),
        "INVALID_READING": reading(hour=24),
        "RECORDED_IN_FUTURE": reading(recordedTime=_rfc3339(time.time() + 600)),
    }
    readings = [reading(hour=8, steps=70), *bad.values(), reading(hour=9, steps=30)]
    answer = await town.step.unary(RECORD, {"readings": readings}, person.token)
    verdict = type(answer.results[0]).Verdict.Name
    assert [(verdict(result.verdict), result.reason) for result in answer.results] == [
        ("ACCEPTED", ""),
        *(("REJECTED", reason) for reason in bad),
        ("ACCEPTED", ""),
    ]
    assert [(day.date, day.total) for day in answer.days] == [(TODAY, 100)]


async def test_a_board_of_a_date_far_away_is_refused(town: Town) -> None:
    person = await town.person()
    get = f"{BOARDS}/GetFriendLeaderboard"
    refusal = clean(await refused(town.step.unary(get, {"date": "1999-12-31"}, person.token)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "DATE_OUT_OF_RANGE")
    refusal = clean(await refused(town.step.unary(get, {"date": "yesterday"}, person.token)))
    assert (refusal.code, refusal.violations) == (grpc.StatusCode.INVALID_ARGUMENT, ("date",))


async def test_too_many_readings_are_refused(town: Town) -> None:
    person = await town.person()
    refusal = clean(await refused(town.step.unary(RECORD, {"readings": [reading()] * 501}, person.token)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_READINGS")
    stream = town.step.talk(TRACK, person.token)
    await stream.write(request_of(TRACK, {"messageId": "m1", "readings": [reading()] * 101}))
    refusal = clean(await refused(_drained(stream)))
    assert refusal.reason == "TOO_MANY_READINGS"


@pytest.mark.requirement("NET-01")
async def test_an_oversized_message_is_refused_and_the_connection_lives_on(town: Town) -> None:
    person = await town.person()
    refusal = clean(await refused(town.step.unary(RECORD, b"\x0a" + b"\x00" * 3_000_000, person.token)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
    assert (await town.record(person, 10)).days[0].total == 10


async def test_a_malformed_message_ends_its_stream_and_no_other(town: Town, backend: Backend) -> None:
    walker, vandal = await town.person(), await town.person()
    tracker = GrpcioTracker(walker, backend.address("step"))
    await tracker.walk_to(100)
    # Over one connection with calls of others.
    stream = town.step.talk(TRACK, vandal.token)
    await stream.write(request_of(TRACK, {"messageId": "m1", "readings": [reading(steps=50)]}))
    assert (await stream.read()).message_id == "m1"
    await stream.write(b"\xff\xff\xff")
    assert clean(await refused(_drained(stream))).code is grpc.StatusCode.INVALID_ARGUMENT
    assert (await town.board(vandal))[0][2] == 50
    await tracker.walk_to(110)
    assert tracker.reopened == 0
    await tracker.finish()


async def test_a_stream_that_stalls_in_the_middle_of_a_message_holds_up_nobody(town: Town, backend: Backend) -> None:
    walker, sluggard = await town.person(), await town.person()
    channel = Channel("127.0.0.1", backend.port("step"))
    metadata = {"authorization": f"Bearer {sluggard.token}"}
    async with channel.request(
        f"/{TRACK}", Cardinality.STREAM_STREAM, TrackStepsRequest, TrackStepsResponse, metadata=metadata
    ) as stream:
        await stream.send_request()
        await stream._stream.send_data(b"\x00\x00\x00\x00\x64half")
        tracker = GrpcioTracker(walker, backend.address("step"))
        async with asyncio.timeout(60):
            for steps in range(1, 50):
                await tracker.walk_to(steps)
            assert (await town.record(sluggard, 20)).days[0].total == 20
        await tracker.finish()
        await stream.cancel()
    channel.close()


def forged(backend: Backend, person: Person, **changes: Any) -> str:
    """A token of *person* signed with the backend's own key, with some claims changed."""
    secrets = backend.plan.secrets
    key = load_pem_private_key(secrets.access_token_key.read_bytes(), password=None)
    public, *_ = json.loads(secrets.jwks.read_bytes())["keys"]
    claims = jwt.decode(person.token, options={"verify_signature": False}) | changes
    header = jwt.get_unverified_header(person.token)
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": public["kid"]}
    return jwt.encode(claims, key, algorithm="EdDSA", headers=header)  # type: ignore[arg-type]


@pytest.mark.requirement("AUTH-02", "AUTH-04")
async def test_wrong_and_expired_tokens_are_refused_everywhere(town: Town, backend: Backend) -> None:
    person = await town.person()
    now = int(time.time())
    assert await town.user.unary(f"{USERS}/GetMe", {}, forged(backend, person, jti=str(uuid4())))
    expired = forged(backend, person, iat=now - 700, exp=now - 100)
    for call in (
        lambda token: town.user.unary(f"{USERS}/GetMe", {}, token),
        lambda token: town.step.unary(RECORD, {"readings": [reading()]}, token),
        lambda token: town.notification.unary(
            "firewalker.notification.v1.NotificationService/ListNotifications", {}, token
        ),
        lambda token: _drained(town.step.talk(TRACK, token)),
    ):
        refusal = clean(await refused(call(expired)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "ACCESS_TOKEN_EXPIRED")
        head, body, signature = person.token.split(".")
        for wrong in ("", "guess", f"{head}.{body}.", f"{head}.{body}.{signature[::-1]}", "x" * 5000,
                      forged(backend, person, aud="elsewhere"), forged(backend, person, iat=now + 60, exp=now + 600)):  # fmt: skip
            refusal = clean(await refused(call(wrong)))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "ACCESS_TOKEN_INVALID")


async def _drained(stream: Any) -> list[Any]:
    """All answers of *stream*; raises its error."""
    answers: list[Any] = []
    while (answer := await stream.read()) is not grpc.aio.EOF:
        answers.append(answer)
    return answers


def _rfc3339(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
