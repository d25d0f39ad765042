"""Doors for the tests of the wire: the project's own services, doing what a test tells them to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, EventSinkServiceBase
from firewalker.gen.pb.firewalker.user.v1 import (
    AuthServiceBase,
    LoginRequest,
    LoginResponse,
    LogoutRequest,
    LogoutResponse,
    RefreshRequest,
    RefreshResponse,
    SignUpRequest,
    SignUpResponse,
    User,
)
from firewalker.kernel.principal import find_principal
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.streams import HotStream
from tests.support.partial_doors import part_of

RecordStepsRequest = message_class("firewalker.step.v1.RecordStepsRequest")
RecordStepsResponse = message_class("firewalker.step.v1.RecordStepsResponse")
TrackStepsRequest = message_class("firewalker.step.v1.TrackStepsRequest")
TrackStepsResponse = message_class("firewalker.step.v1.TrackStepsResponse")
GetRequest = message_class("firewalker.step.v1.GetFriendLeaderboardRequest")
GetResponse = message_class("firewalker.step.v1.GetFriendLeaderboardResponse")
WatchRequest = message_class("firewalker.step.v1.WatchFriendLeaderboardRequest")
WatchResponse = message_class("firewalker.step.v1.WatchFriendLeaderboardResponse")

RECORD = "/firewalker.step.v1.StepService/RecordSteps"
TRACK = "/firewalker.step.v1.StepService/TrackSteps"
GET = "/firewalker.step.v1.LeaderboardService/GetFriendLeaderboard"
WATCH = "/firewalker.step.v1.LeaderboardService/WatchFriendLeaderboard"
LOGIN = "/firewalker.user.v1.AuthService/Login"
SIGN_UP = "/firewalker.user.v1.AuthService/SignUp"
DELIVER = "/firewalker.event.v1.EventSinkService/Deliver"


@part_of("firewalker.step.v1.StepService")
class StepDoor:
    """Hot. Answers each reading with a result; *on_record* and *on_track* replace that."""

    SERVICE: ClassVar = "firewalker.step.v1.StepService"

    def __init__(self, rule: Rule = Rule(Caller.PUBLIC)) -> None:  # noqa: B008 - frozen
        self.POLICY = {"RecordSteps": rule, "TrackSteps": rule}
        self.on_record: Callable[[Any], Awaitable[Any]] | None = None
        self.on_track: Callable[[HotStream], Awaitable[None]] | None = None
        self.running = 0
        self.cancelled = 0

    async def record_steps(self, request: Any) -> Any:
        self.running += 1
        try:
            if self.on_record is not None:
                return await self.on_record(request)
            return RecordStepsResponse(results=[{"verdict": 1} for _ in request.readings])
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def track_steps(self, stream: HotStream) -> None:
        self.running += 1
        try:
            if self.on_track is not None:
                await self.on_track(stream)
                return
            while (request := await stream.recv()) is not None:
                await stream.send(TrackStepsResponse(message_id=request.message_id))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1


@part_of("firewalker.step.v1.LeaderboardService")
class BoardDoor:
    """Hot. A board of the caller alone; *on_watch* is the watch."""

    SERVICE: ClassVar = "firewalker.step.v1.LeaderboardService"

    def __init__(self, rule: Rule = Rule(Caller.USER)) -> None:  # noqa: B008 - frozen
        self.POLICY = dict.fromkeys(
            (f"{verb}{whose}Leaderboard" for verb in ("Get", "Watch") for whose in ("Friend", "Group")), rule
        )
        self.on_watch: Callable[[Any, HotStream], Awaitable[None]] = self._heartbeats

    async def get_friend_leaderboard(self, request: Any) -> Any:
        del request
        found = find_principal()
        entries = [] if found is None else [{"user_id": str(found.user_id), "me": True}]
        return GetResponse(leaderboard={"version": "1", "entries": entries})

    async def watch_friend_leaderboard(self, request: Any, stream: HotStream) -> None:
        await self.on_watch(request, stream)

    async def get_group_leaderboard(self, request: Any) -> Any:
        return await self.get_friend_leaderboard(request)

    async def watch_group_leaderboard(self, request: Any, stream: HotStream) -> None:
        await self.on_watch(request, stream)

    async def _heartbeats(self, request: Any, stream: HotStream) -> None:
        """One heartbeat, then nothing until the end, which is said before it is raised."""
        del request
        await stream.send(WatchResponse(heartbeat={"version": "1"}).SerializeToString())
        await asyncio.wait([stream.ending])
        await stream.send(WatchResponse(end={"version": "1"}))
        raise stream.ending.result()


@part_of("firewalker.user.v1.AuthService")
class AuthDoor(AuthServiceBase):
    """Ordinary. Everybody is who they say."""

    POLICY: ClassVar[Any] = dict.fromkeys(("SignUp", "Login", "Refresh", "Logout"), Rule(Caller.PUBLIC))

    async def sign_up(self, message: SignUpRequest) -> SignUpResponse:
        return SignUpResponse(user=User(nickname=message.nickname))

    async def login(self, message: LoginRequest) -> LoginResponse:
        found = find_principal()
        return LoginResponse(user=User(email=message.email, user_id=str(found.user_id) if found else ""))

    async def refresh(self, message: RefreshRequest) -> RefreshResponse:
        del message
        return RefreshResponse()

    async def logout(self, message: LogoutRequest) -> LogoutResponse:
        del message
        return LogoutResponse()


class SinkDoor(EventSinkServiceBase):
    """Ordinary, for services. *on_deliver* decides."""

    POLICY: ClassVar[Any] = {"Deliver": Rule(Caller.SERVICE)}

    def __init__(self) -> None:
        self.taken: list[DeliverRequest] = []
        self.on_deliver: Callable[[DeliverRequest], Awaitable[None]] | None = None

    async def deliver(self, message: DeliverRequest) -> DeliverResponse:
        self.taken.append(message)
        if self.on_deliver is not None:
            await self.on_deliver(message)
        return DeliverResponse()
