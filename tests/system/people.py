"""People of the system tests: signed up over gRPC, with a token, a zone in which it is about noon, and friends."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import grpc

from tests.system.wire import Grpc, Refusal

AUTH = "firewalker.user.v1.AuthService"
USERS = "firewalker.user.v1.UserService"
FRIENDS = "firewalker.user.v1.FriendService"
STEPS = "firewalker.step.v1.StepService"
BOARDS = "firewalker.step.v1.LeaderboardService"
INBOX = "firewalker.notification.v1.NotificationService"
DEVICES = "firewalker.notification.v1.DeviceService"

TOLD_WITHIN_S = 60.0
"""How long an event may take. Usually well under a second; but a test before may have killed the user service, whose lease
on its outbox then lasts 10 s."""

LETTERS = "bcdfghjkmnpqrstvwxyz"


def noon_zone() -> str:
    """A zone in which it is between 12 and 13 o'clock now, so that no test meets midnight."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


ZONE = noon_zone()
TODAY = datetime.now(ZoneInfo(ZONE)).date().isoformat()


def new_name(start: str) -> str:
    """A nickname that nobody has."""
    return start + "".join(secrets.choice(LETTERS) for _ in range(8))


@dataclass
class Person:
    """Somebody who is signed in."""

    nickname: str
    email: str
    password: str
    user_id: str
    token: str
    refresh_token: str
    session_id: str


@dataclass
class Town:
    """Where the people are: one gRPC client per service."""

    user: Grpc
    step: Grpc
    notification: Grpc
    people: list[Person] = field(default_factory=list)

    async def person(self, name: str = "Test") -> Person:
        """Sign somebody up, waiting for the password lane if it is full."""
        nickname = new_name(name)
        asked = {
            "email": f"{nickname.lower()}@example.com",
            "password": secrets.token_urlsafe(12),
            "nickname": nickname,
            "timeZone": ZONE,
        }
        answer = await retrying(lambda: self.user.unary(f"{AUTH}/SignUp", asked))
        tokens = answer.tokens
        made = Person(
            nickname=nickname, email=asked["email"], password=asked["password"], user_id=answer.user.user_id,
            token=tokens.access_token, refresh_token=tokens.refresh_token, session_id=tokens.session_id,
        )  # fmt: skip
        self.people.append(made)
        return made

    async def befriend(self, asker: Person, asked: Person) -> None:
        """Make two people friends."""
        await self.user.unary(f"{FRIENDS}/SendFriendRequest", {"userId": asked.user_id}, asker.token)
        await self.user.unary(f"{FRIENDS}/AcceptFriendRequest", {"userId": asker.user_id}, asked.token)

    async def know_each_other(self, viewer: Person, count: int) -> None:
        """Wait until *viewer*'s board has *count* rows: friendships reach the step service as events."""

        async def known() -> bool:
            return len(await self.board(viewer)) == count

        await eventually(known, TOLD_WITHIN_S)

    async def record(self, person: Person, steps: int, hour: int = 9, device: str = "phone") -> Any:
        """Upload one cumulative reading of today."""
        reading = {"deviceId": device, "date": TODAY, "hour": hour, "steps": steps}
        return await self.step.unary(f"{STEPS}/RecordSteps", {"readings": [reading]}, person.token)

    async def board(self, person: Person) -> list[tuple[int, str, int]]:
        """The person's board of today as (rank, user id, steps)."""
        answer = await self.step.unary(f"{BOARDS}/GetFriendLeaderboard", {"date": TODAY}, person.token)
        return [(row.rank, row.user_id, row.steps) for row in answer.leaderboard.entries]


async def retrying(call: Any, within_s: float = 60.0) -> Any:
    """The answer of *call*, repeated while the server is away or asks to come back later."""
    limit = time.monotonic() + within_s
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            refusal = Refusal.of(error)
            passing = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED}
            if refusal.code not in passing or time.monotonic() > limit:
                raise
        await asyncio.sleep(refusal.retry_after_s or 0.05)


async def eventually(probe: Any, within_s: float = 60.0, every_s: float = 0.05) -> Any:
    """The first true result of the coroutine function *probe*; fails the test if there is none within *within_s*."""
    limit = time.monotonic() + within_s
    while not (result := await probe()):
        assert time.monotonic() < limit, f"not within {within_s} s"
        await asyncio.sleep(every_s)
    return result
