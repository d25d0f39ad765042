"""The notification service on real MySQL and Redis, called by grpcio, with doors in place of the services that it asks."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from firewalker.gen.pb.firewalker.step import v1 as step_pb
from firewalker.gen.pb.firewalker.user import v1 as user_pb
from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import SessionId, new_uuid7_at
from firewalker.local.secrets import make_secrets
from firewalker.notification.app import build
from firewalker.notification.config import NotificationConfig
from firewalker.notification.planner import Planner
from firewalker.notification.sender import Sender
from firewalker.runtime.grpc.credentials import ServiceCredentials
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.faults import MethodNotFound
from firewalker.runtime.grpc.messages import internal_descriptors, message_class
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.mysql.literals import fill
from firewalker.runtime.revocation import RevocationView
from tests.support.clock import FakeClock
from tests.support.databases import run_on
from tests.support.emulator import Google, google
from tests.support.services import Service, serving
from tests.support.waiting import until

PACKAGE = "firewalker.notification.v1"
Event = message_class("firewalker.event.v1.Event")


def reason(error: grpc.aio.AioRpcError) -> str:
    (packed,) = [v for k, v in error.trailing_metadata() or () if k == "grpc-status-details-bin"]
    for detail in status_pb2.Status.FromString(packed).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    raise AssertionError("the status carries no ErrorInfo")


def violated(error: grpc.aio.AioRpcError) -> list[str]:
    """The fields that an error names."""
    (packed,) = [v for k, v in error.trailing_metadata() or () if k == "grpc-status-details-bin"]
    bad = error_details_pb2.BadRequest()
    return [
        str(violation.field)
        for detail in status_pb2.Status.FromString(packed).details
        if detail.Unpack(bad)
        for violation in bad.field_violations
    ]


def event(at: datetime, **facts: Any) -> Any:
    """An event of that time; *facts* is the one field of the oneof, as the message's own keywords in a dictionary."""
    made = Event(event_id=str(new_uuid7_at(at)), **facts)
    made.create_time.FromDatetime(at)
    return made


def profile(user: UUID, nickname: str = "지수") -> dict[str, str]:
    return {"user_id": str(user), "nickname": nickname}


@dataclass
class Post:
    """The service, and short ways to tell it and to ask it."""

    service: Service
    clock: FakeClock
    mysql_url: str

    def as_user(self, user: UUID, **claims: Any) -> list[tuple[str, str]]:
        now = int(self.clock.now().timestamp())
        return self.service.as_user(user, **{"iat": now, "exp": now + 600, **claims})

    async def call(self, rpc: str, user: UUID, *, claims: dict[str, Any] | None = None, **fields: Any) -> Any:
        service = "DeviceService" if "Device" in rpc else "NotificationService"
        path = f"/{PACKAGE}.{service}/{rpc}"
        method = internal_descriptors().method(path)
        call = self.service.public.unary_unary(
            path,
            request_serializer=message_class(method.input_type.full_name).SerializeToString,
            response_deserializer=message_class(method.output_type.full_name).FromString,
        )
        request = message_class(method.input_type.full_name)(**fields)
        return await call(request, metadata=self.as_user(user, **(claims or {})), timeout=60)

    async def refused(self, rpc: str, user: UUID, **fields: Any) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(rpc, user, **fields)
        return reason(caught.value)

    async def tell(self, *events: Any) -> None:
        call = self.service.internal.unary_unary(
            "/firewalker.event.v1.EventSinkService/Deliver",
            request_serializer=message_class("firewalker.event.v1.DeliverRequest").SerializeToString,
            response_deserializer=message_class("firewalker.event.v1.DeliverResponse").FromString,
        )
        told = message_class("firewalker.event.v1.DeliverRequest")(events=events)
        while True:
            try:
                await call(told, metadata=self.service.as_service("user"))
            except grpc.aio.AioRpcError as error:
                if reason(error) != "OVERLOADED":
                    raise
                await asyncio.sleep(0.1)  # as the relay does
            else:
                return

    def watch(self, user: UUID) -> Any:
        path = f"/{PACKAGE}.NotificationService/WatchNotifications"
        method = internal_descriptors().method(path)
        call = self.service.public.unary_stream(
            path,
            request_serializer=message_class(method.input_type.full_name).SerializeToString,
            response_deserializer=message_class(method.output_type.full_name).FromString,
        )
        return call(message_class(method.input_type.full_name)(), metadata=self.as_user(user))

    async def inbox(self, user: UUID) -> list[Any]:
        return list((await self.call("ListNotifications", user)).notifications)

    async def register(self, user: UUID, installation: str = "phone", token: str = "", **more: Any) -> Any:
        fields = {"installation_id": installation, "platform": 1, "locale": "ko-KR", **more}
        if "fid" not in fields:
            fields["registration_token"] = token or f"token-of-{installation}"
        return (await self.call("RegisterDevice", user, **fields)).device

    async def request_from(self, asker: UUID, asked: UUID, nickname: str = "지수", at: datetime | None = None) -> Any:
        asking = {"requester": profile(asker, nickname), "addressee_id": str(asked)}
        await self.tell(told := event(at or self.clock.now(), friend_requested=asking))
        return told

    async def sql(self, statement: str, *params: object) -> list[tuple[object, ...]]:
        return await run_on(self.mysql_url, fill(statement, params))


class Graph(user_pb.SocialGraphServiceBase):
    """Answers for the user service: everybody is friends with everybody, and asks, unless a test says otherwise."""

    POLICY: ClassVar = {name: Rule(Caller.SERVICE) for name in ("GetCircle", "CheckBonds", "ListMemberships")}

    def __init__(self) -> None:
        self.bond: dict[str, Any] = {"friends": False, "blocked": False, "subject_asks": True}
        self.fault: Fault | None = None
        self.asked = 0

    async def check_bonds(self, message: user_pb.CheckBondsRequest) -> user_pb.CheckBondsResponse:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        bonds = [user_pb.CheckBondsResponseBond(**self.bond) for _ in message.queries]
        return user_pb.CheckBondsResponse(bonds=bonds)

    async def get_circle(self, message: user_pb.GetCircleRequest) -> user_pb.GetCircleResponse:
        del message
        raise MethodNotFound  # notifications ask for bonds alone

    async def list_memberships(self, message: user_pb.ListMembershipsRequest) -> user_pb.ListMembershipsResponse:
        del message
        raise MethodNotFound  # notifications ask for bonds alone


class Standings(step_pb.StandingServiceBase):
    """Answers for the step service: whoever is said to lead does."""

    POLICY: ClassVar = {name: Rule(Caller.SERVICE) for name in ("CompareWalkers", "GetRanks")}

    def __init__(self) -> None:
        self.leads, self.rank = True, 1
        self.fault: Fault | None = None

    async def compare_walkers(self, message: step_pb.CompareWalkersRequest) -> step_pb.CompareWalkersResponse:
        if self.fault is not None:
            raise self.fault
        one = step_pb.CompareWalkersResponseComparison(
            subject_leads=self.leads, visibility=user_pb.UserVisibility.FRIENDS, open=True
        )
        return step_pb.CompareWalkersResponse(comparisons=[one for _ in message.queries])

    async def get_ranks(self, message: step_pb.GetRanksRequest) -> step_pb.GetRanksResponse:
        place = step_pb.GetRanksResponsePlace(rank=self.rank, ranked=3, steps=9)
        return step_pb.GetRanksResponse(places=[place for _ in message.queries])


@dataclass
class Office(Post):
    """A service that pushes: to an emulator, asking the two doors."""

    google: Google
    graph: Graph
    standings: Standings
    folder: Path
    redis_url: str

    async def pushed(self, count: int, within_s: float = 60.0) -> list[Any]:
        """The accepted records, once there are *count*."""
        limit = time.monotonic() + within_s
        looked = time.monotonic()
        while len(self.google.accepted) < count:
            assert time.monotonic() < limit, f"{len(self.google.accepted)} pushes of {count} within {within_s} s"
            if time.monotonic() - looked > 3:
                # A connection can end just as it is used; the next attempt is some seconds of this clock away.
                looked = time.monotonic()
                self.advance(15)
                self.wake()
            await asyncio.sleep(0.005)
        return list(self.google.accepted)

    async def planned(self) -> None:
        """Nothing that is due waits to be planned."""
        await self._none("SELECT COUNT(*) FROM push WHERE state = 'WAITING' AND due_time <= %s", 1)

    async def settled(self) -> None:
        """Nothing that is due waits or is under way."""
        pushes = "SELECT COUNT(*) FROM push WHERE state = 'WAITING' AND due_time <= %s"
        waiting = f"SELECT ({pushes}) + (SELECT COUNT(*) FROM delivery WHERE state = 'QUEUED' AND due_time <= %s)"  # noqa: S608
        await self._none(waiting, 2)

    async def _none(self, waiting: str, times: int) -> None:
        now, limit = self.clock.now(), time.monotonic() + 30
        while (await self.sql(waiting, *[now] * times))[0][0]:
            assert time.monotonic() < limit, "something that is due is not done"
            await asyncio.sleep(0.02)

    async def later(self, seconds: float) -> None:
        """Time passes, at the service and at FCM, and what is due then is done."""
        self.advance(seconds)
        self.wake()
        await self.settled()

    async def mended(self, count: int) -> None:
        """What FCM was found to be unable to do it can do now: let time pass until *count* messages were accepted."""
        limit = time.monotonic() + 60
        while (before := len(self.google.accepted)) < count:
            assert time.monotonic() < limit, f"only {before} were accepted"
            self.advance(31)
            self.wake()
            with contextlib.suppress(AssertionError):  # nothing more comes before more time has passed
                while True:
                    await until(lambda: len(self.google.accepted) > before, 0.3)  # noqa: B023
                    before = len(self.google.accepted)

    def advance(self, seconds: float) -> None:
        """The same without waiting for what is due."""
        self.clock.advance(seconds)
        self.google.fcm.clock.advance(seconds)

    def heard_of_the_end(self, session: SessionId) -> bool:
        views = [part for part in self.service.app.parts if isinstance(part, RevocationView)]
        return all(view.has_ended(session) for view in views)

    def wake(self) -> None:
        for part in self.service.app.parts:
            if isinstance(part, Planner | Sender):
                part.wake()

    async def outcomes(self, user: UUID) -> list[object]:
        rows = await self.sql("SELECT outcome FROM push WHERE user_id = %s ORDER BY notification_id", user.bytes)
        return [outcome for (outcome,) in rows]


@asynccontextmanager
async def office_at(
    folder: Path, mysql_url: str, redis_url: str, clock: FakeClock, **more: Any
) -> AsyncIterator[Office]:
    """A service that pushes, with everything it needs."""
    secrets = make_secrets(folder)
    graph, standings = Graph(), Standings()
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(google(folder))
        # FCM's time is the service's, but for the whole: tokens are good for an hour of it.
        running.fcm.clock.advance(clock.now().timestamp() - time.time())
        edge = Edge(services=ServiceCredentials.from_file(secrets.allowed_services))
        doors = [
            await stack.enter_async_context(GrpcServer([door], edge, internal=True)) for door in (graph, standings)
        ]
        settings = running.settings(
            user_address=f"127.0.0.1:{doors[0].port}", step_address=f"127.0.0.1:{doors[1].port}", **more
        )
        service = await stack.enter_async_context(
            serving(
                "notification", NotificationConfig, lambda config: build(config, clock),
                folder=folder, mysql_url=mysql_url, redis_url=redis_url, settings=settings,
            )
        )  # fmt: skip
        yield Office(service, clock, mysql_url, running, graph, standings, folder, redis_url)


@pytest.fixture
async def office(tmp_path: Path, mysql_url: str, redis_url: str) -> AsyncIterator[Office]:
    """It is noon everywhere that somebody lives, and the clock stands still."""
    async with office_at(tmp_path, mysql_url, redis_url, FakeClock(noon())) as made:
        yield made


def noon() -> datetime:
    return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
async def post(tmp_path: Path, mysql_url: str, redis_url: str) -> AsyncIterator[Post]:
    clock = FakeClock(datetime.now(UTC))
    async with serving(
        "notification",
        NotificationConfig,
        lambda config: build(config, clock),
        folder=tmp_path,
        mysql_url=mysql_url,
        redis_url=redis_url,
    ) as running:
        yield Post(running, clock, mysql_url)
