"""People of the tests, by REST: what the page shows is what they did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import httpx

PASSWORD = "a long walk home"
ZONE = dt.UTC
"""Everybody lives here, so that nobody's midnight comes between two looks."""

_numbers = count(1)


@dataclass(slots=True)
class Neighbour:
    """Somebody who uses another client than the page."""

    client: httpx.AsyncClient
    email: str
    nickname: str
    user_id: str
    token: str

    async def call(self, method: str, path: str, body: Mapping[str, object] | None = None, **query: str) -> Any:
        """One call; what it answers.

        Raises:
            httpx.HTTPStatusError: It was refused.
        """
        headers = {"authorization": f"Bearer {self.token}"}
        answer = await self.client.request(method, path, json=body, params=query or None, headers=headers)
        answer.raise_for_status()
        return answer.json()

    async def walk(self, steps: int, *, hour: int | None = None, days_ago: int = 0, whole_day: bool = False) -> None:
        """Have counted so many steps in an hour: in this one, or in that of an earlier date; or on the *whole_day*."""
        now = dt.datetime.now(ZONE)
        reading = {
            "deviceId": "phone",
            "date": (now.date() - dt.timedelta(days=days_ago)).isoformat(),
            "hour": now.hour if hour is None else hour,
            "steps": steps,
        }
        if whole_day:
            del reading["hour"]
        answer = await self.call("POST", "/v1/steps", {"readings": [reading]})
        assert answer["results"][0]["verdict"] == "ACCEPTED", answer

    async def befriend(self, other: Neighbour) -> None:
        """Become friends."""
        await self.call("POST", "/v1/friend-requests", {"userId": other.user_id})
        await other.call("POST", f"/v1/friend-requests/{self.user_id}:accept", {})


async def move_in(client: httpx.AsyncClient, nickname: str = "") -> Neighbour:
    """A new account; nicknames are unique, so that a name may be given once."""
    number = next(_numbers)
    nickname = nickname or f"Walker{number}{uuid4().hex[:5]}"
    email = f"walker-{uuid4().hex[:12]}@example.com"
    asked = {"email": email, "password": PASSWORD, "nickname": nickname, "timeZone": "Etc/UTC", "deviceName": "Pixel"}
    answer = await client.post("/v1/auth/signup", json=asked)
    answer.raise_for_status()
    told = answer.json()
    return Neighbour(client, email, nickname, told["user"]["userId"], told["tokens"]["accessToken"])
