"""Clients that call every service without a pause, three kinds of them, and write down what they were told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from firewalker.gen.pb.firewalker.notification.v1 import DevicePlatform, DeviceServiceStub, RegisterDeviceRequest
from firewalker.gen.pb.firewalker.step.v1 import (
    GetFriendLeaderboardRequest,
    LeaderboardServiceStub,
    Reading,
    RecordStepsRequest,
    StepServiceStub,
)
from firewalker.gen.pb.firewalker.user.v1 import UpdateMeRequest, User, UserServiceStub
from firewalker.runtime.grpc.channel import InternalChannel
from tests.system.people import BOARDS, DEVICES, STEPS, TODAY, USERS, Person
from tests.system.wire import Grpc

PAUSE_S = 0.1
"""Between two calls of one caller."""

LIMIT_S = 15.0

AddressOf = Callable[[str], str]
"""Where a client finds a service, or the transcoder."""


class Client(Protocol):
    """One client's way to make four calls; each raises for whatever is no answer."""

    async def record(self, steps: int) -> None:
        """To the step service."""

    async def rename(self, nickname: str) -> None:
        """To the user service."""

    async def register(self, registration: str) -> None:
        """To the notification service."""

    async def look(self) -> None:
        """At one's board."""

    async def close(self) -> None:
        """Hang up."""


class OverGrpcio:
    """Google's client, with the C runtime of protobuf."""

    def __init__(self, person: Person, address_of: AddressOf) -> None:
        self._person = person
        self._clients = {name: Grpc(address_of(name)) for name in ("user", "step", "notification")}

    async def record(self, steps: int) -> None:
        reading = {"deviceId": "phone", "date": TODAY, "hour": 9, "steps": steps}
        await self._ask("step", f"{STEPS}/RecordSteps", {"readings": [reading]})

    async def rename(self, nickname: str) -> None:
        await self._ask("user", f"{USERS}/UpdateMe", {"user": {"nickname": nickname}})

    async def register(self, registration: str) -> None:
        asked = {"installationId": self._person.user_id, "platform": "ANDROID", "registrationToken": registration}
        await self._ask("notification", f"{DEVICES}/RegisterDevice", asked)

    async def look(self) -> None:
        await self._ask("step", f"{BOARDS}/GetFriendLeaderboard", {"date": TODAY})

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def _ask(self, service: str, path: str, content: dict[str, Any]) -> None:
        await self._clients[service].unary(path, content, self._person.token, limit_s=LIMIT_S)


class OverGrpclib:
    """Our own channel on grpclib, as services use it among themselves."""

    def __init__(self, person: Person, address_of: AddressOf) -> None:
        self._person = person
        names = ("user", "step", "notification")
        self._channels = [InternalChannel(address_of(name), person.token) for name in names]
        user, step, notification = self._channels
        self._users, self._devices = UserServiceStub(user), DeviceServiceStub(notification)
        self._steps, self._boards = StepServiceStub(step), LeaderboardServiceStub(step)

    async def record(self, steps: int) -> None:
        reading = Reading(device_id="phone", date=TODAY, hour=9, steps=steps)
        await self._steps.record_steps(RecordStepsRequest(readings=[reading]), timeout=LIMIT_S)

    async def rename(self, nickname: str) -> None:
        await self._users.update_me(UpdateMeRequest(user=User(nickname=nickname)), timeout=LIMIT_S)

    async def register(self, registration: str) -> None:
        asked = RegisterDeviceRequest(
            installation_id=self._person.user_id, platform=DevicePlatform.ANDROID, registration_token=registration
        )
        await self._devices.register_device(asked, timeout=LIMIT_S)

    async def look(self) -> None:
        await self._boards.get_friend_leaderboard(GetFriendLeaderboardRequest(date=TODAY), timeout=LIMIT_S)

    async def close(self) -> None:
        for channel in self._channels:
            channel.close()


class OverRest:
    """HTTP/1.1 and JSON through the transcoder, on connections that are kept."""

    def __init__(self, person: Person, address_of: AddressOf) -> None:
        self._person = person
        headers = {"authorization": f"Bearer {person.token}"}
        self._client = httpx.AsyncClient(
            base_url=f"http://{address_of('transcoder')}", headers=headers, timeout=LIMIT_S
        )

    async def record(self, steps: int) -> None:
        reading = {"deviceId": "phone", "date": TODAY, "hour": 9, "steps": steps}
        await self._ask(self._client.post("/v1/steps", json={"readings": [reading]}))

    async def rename(self, nickname: str) -> None:
        await self._ask(self._client.patch("/v1/users/me", json={"nickname": nickname}))

    async def register(self, registration: str) -> None:
        asked = {"platform": "ANDROID", "registrationToken": registration}
        await self._ask(self._client.put(f"/v1/devices/{self._person.user_id}", json=asked))

    async def look(self) -> None:
        await self._ask(self._client.get("/v1/leaderboards/friends", params={"date": TODAY}))

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, request: Awaitable[httpx.Response]) -> None:
        answer = await request
        assert answer.is_success, f"{answer.status_code} {answer.text}"


KINDS: dict[str, Callable[[Person, AddressOf], Client]] = {
    "grpcio": OverGrpcio,
    "grpclib": OverGrpclib,
    "REST": OverRest,
}


@dataclass
class Caller:
    """One person's app, on one of the ways: never repeats a call, and forgives none that fails."""

    way: str
    person: Person
    client: Client
    steps: int = 0
    nickname: str = ""
    registration: str = ""
    """The last of each that was acknowledged."""
    calls: int = 0
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)

    async def work(self, over: asyncio.Event) -> None:
        """Call until *over*, counting up what is written."""
        number = 0
        while not over.is_set():
            number += 1
            nickname, registration = f"{self.person.nickname}{number}", f"{self.person.nickname}-{number}"
            if await self._answered(self.client.record(number)):
                self.steps = number
            if await self._answered(self.client.rename(nickname)):
                self.nickname = nickname
            if await self._answered(self.client.register(registration)):
                self.registration = registration
            await self._answered(self.client.look())

    async def _answered(self, call: Awaitable[None]) -> bool:
        began = time.monotonic()
        self.calls += 1
        try:
            await call
        except Exception as error:  # noqa: BLE001 - whatever the client was told instead of an answer
            self.failures.append(f"{time.strftime('%X')} {self.way}: {error!r}")
            return False
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        await asyncio.sleep(PAUSE_S)
        return True
