"""Calls of a whole step service inside the test's process: grpcio, requests in proto JSON; events as other services tell them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import grpc

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.runtime.grpc.messages import message_class
from tests.support.services import Service
from tests.system.wire import Refusal, answer_class, request_of

Event = message_class("firewalker.event.v1.Event")
DeliverRequest = message_class("firewalker.event.v1.DeliverRequest")

GOALS = "firewalker.step.v1.GoalService"
STEPS = "firewalker.step.v1.StepService"
STATS = "firewalker.step.v1.StatsService"
BOARDS = "firewalker.step.v1.LeaderboardService"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def call(service: Service, path: str, user: UserId | None, **content: Any) -> Any:
    """The answer to ``package.Service/Method`` as *user*, or as nobody."""
    method = service.public.unary_unary(
        f"/{path}", request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=answer_class(path).FromString,
    )  # fmt: skip
    metadata = [] if user is None else service.as_user(user)
    return await method(request_of(path, content), metadata=metadata, timeout=60)


async def refusal(answer: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
    """Code and reason of the refusal that a call ends with."""
    try:
        await answer
    except grpc.aio.AioRpcError as error:
        refused = Refusal.of(error)
        return refused.code, refused.reason
    raise AssertionError("it was answered")


async def record(
    service: Service, user: UserId, steps: int, day: date, *, hour: int = 9, device: str = "phone"
) -> None:
    """Upload one reading, which has to be accepted."""
    reading = {"deviceId": device, "date": day.isoformat(), "hour": hour, "steps": steps}
    answer = await call(service, f"{STEPS}/RecordSteps", user, readings=[reading])
    assert [result.verdict for result in answer.results] == [1]


async def deliver(service: Service, *events: Any) -> None:
    """Tell *events* as the user service does."""
    method = service.internal.unary_unary(
        "/firewalker.event.v1.EventSinkService/Deliver",
        request_serializer=DeliverRequest.SerializeToString,
        response_deserializer=message_class("firewalker.event.v1.DeliverResponse").FromString,
    )
    await method(DeliverRequest(events=events), metadata=service.as_service("user"), timeout=60)


def event(at: datetime | None = None) -> Any:
    """An event of that time, by default of now, that tells nothing yet."""
    made = Event(event_id=str(new_uuid7()))
    made.create_time.FromDatetime((at or datetime.now(UTC)).replace(tzinfo=None))
    return made


async def sign_up(service: Service, user: UserId, zone: str = "UTC", nickname: str = "") -> None:
    """Tell that *user* signed up and lives in *zone*."""
    told = event(LONG_AGO)
    told.user_signed_up.profile.user_id = str(user)
    told.user_signed_up.profile.nickname = nickname or f"n-{user.hex[-6:]}"
    told.user_signed_up.time_zone = zone
    await deliver(service, told)


async def befriend(service: Service, one: UserId, other: UserId, since: datetime = LONG_AGO) -> None:
    """Tell that two users are friends."""
    told = event(LONG_AGO + timedelta(seconds=1))
    for profile, user in ((told.friendship_accepted.accepter, one), (told.friendship_accepted.requester, other)):
        profile.user_id, profile.nickname = str(user), f"n-{user.hex[-6:]}"
    told.friendship_accepted.since_time.FromDatetime(since.replace(tzinfo=None))
    await deliver(service, told)


async def eventually(probe: Callable[[], Awaitable[Any]], within_s: float = 60.0) -> Any:
    """The first true result of *probe*; fails the test if there is none within *within_s*."""
    limit = time.monotonic() + within_s
    while not (result := await probe()):
        assert time.monotonic() < limit, f"not within {within_s} s"
        await asyncio.sleep(0.01)
    return result
