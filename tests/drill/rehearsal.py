"""The drill itself. Its ledger is written by the people who walk, not read from the database that it is held against."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from firewalker.cli import tombstones
from firewalker.cli.backup import TOMBSTONES, backup, restore_here
from firewalker.local.backend import Backend
from firewalker.local.layout import Layout
from firewalker.local.plan import DATABASES
from tests.system.people import TODAY, ZONE, new_name

CALL_S = 30.0
SHOWN_S = 30.0
"""Longest wait for a board to show what MySQL holds."""


@dataclass
class Walker:
    """Somebody who walks, and what was acknowledged when."""

    email: str
    token: str
    sent: int = 0
    acknowledged: list[tuple[float, int]] = field(default_factory=list)

    async def send(self, client: httpx.AsyncClient) -> None:
        """Ten steps more; written down once acknowledged."""
        self.sent += 10
        reading = {"deviceId": "phone", "date": TODAY, "hour": 8, "steps": self.sent}
        answer = await client.post("/v1/steps", json={"readings": [reading]}, headers=self.signed)
        answer.raise_for_status()
        self.acknowledged.append((time.monotonic(), self.sent))

    @property
    def signed(self) -> dict[str, str]:
        """The header that says who calls."""
        return {"authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class Outcome:
    """What the drill found."""

    acknowledged: int
    kept: int
    """Acknowledged before the backup began."""
    rpo_s: float
    rto_s: float
    wrong: list[str]


PASSWORD = "a long walk home"


async def rehearse(folder: Path, people: int, seconds: float) -> Outcome:
    """Walk, back up, walk on, lose everything, restore."""
    before, after, backups = folder / "before", folder / "after", folder / "backups"
    async with Backend.start(before) as backend, _client(backend) as client:
        walkers = [await _sign_up(client) for _ in range(people)]
        leaver = await _sign_up(client)
        await leaver.send(client)
        await _walk(client, walkers, seconds)
        urls = {service: backend.setting(service, "MYSQL_URL") for service in DATABASES}
        began = time.monotonic()
        walking = asyncio.create_task(_walk(client, walkers, seconds))
        place = await backup(backups, urls)
        await walking
        deleted = await client.post("/v1/users/me:delete", json={"password": PASSWORD}, headers=leaver.signed)
        deleted.raise_for_status()
        # What keeps the list of the deleted newer than the backup: in life a timer, or the replica of another place.
        await _export(backups, urls)
        await backend.kill("mysql")
        lost = time.monotonic()
    shutil.rmtree(before / "data", ignore_errors=True)

    layout, empty = Layout.at(after), time.monotonic()
    shutil.copytree(Layout.at(before).secrets, layout.secrets)  # from where secrets are kept
    await restore_here(place, {"FIREWALKER_LOCAL_DIR": str(after)}, Layout.of(os.environ).packages)
    async with Backend.start(after) as backend, _client(backend) as client:
        shown = [await _shown(client, walker) for walker in walkers]
        rto = time.monotonic() - empty
        wrong = [text for walker, steps in zip(walkers, shown, strict=True) if (text := _judge(walker, steps, began))]
        login = await client.post("/v1/auth/login", json={"email": leaver.email, "password": PASSWORD})
        if login.status_code != httpx.codes.UNAUTHORIZED:
            wrong.append(f"who had deleted their account can sign in again: {login.status_code}")
    missing = [
        at for walker, steps in zip(walkers, shown, strict=True) for at, sum_ in walker.acknowledged if sum_ > steps
    ]
    moments = [at for walker in walkers for at, _ in walker.acknowledged]
    return Outcome(len(moments), sum(at < began for at in moments), lost - min(missing, default=lost), rto, wrong)


def _judge(walker: Walker, shown: int, backup_began: float) -> str:
    """What is wrong with *shown*, if anything: everything acknowledged before the backup is there, nothing was made up."""
    promised = max((steps for at, steps in walker.acknowledged if at < backup_began), default=0)
    if promised <= shown <= walker.sent:
        return ""
    return f"{walker.email}: {shown} steps came back; {promised} were acknowledged before the backup, {walker.sent} ever sent"


@asynccontextmanager
async def _client(backend: Backend) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{backend.address('transcoder')}", timeout=CALL_S) as client:
        yield client


async def _sign_up(client: httpx.AsyncClient) -> Walker:
    nickname = new_name("Drill")
    email = f"{nickname.lower()}@example.com"
    asked = {"email": email, "password": PASSWORD, "nickname": nickname, "timeZone": ZONE}
    answer = await client.post("/v1/auth/signup", json=asked)
    answer.raise_for_status()
    return Walker(email, answer.json()["tokens"]["accessToken"])


async def _walk(client: httpx.AsyncClient, walkers: list[Walker], seconds: float) -> None:
    async def one(walker: Walker) -> None:
        until = time.monotonic() + seconds
        while True:
            await walker.send(client)
            if time.monotonic() > until:
                return

    await asyncio.gather(*map(one, walkers))


async def _shown(client: httpx.AsyncClient, walker: Walker) -> int:
    """The day's steps as the walker's own board has them, which comes from Redis."""
    until = time.monotonic() + SHOWN_S
    while True:
        answer = await client.get("/v1/leaderboards/friends", params={"date": TODAY}, headers=walker.signed)
        if answer.status_code == httpx.codes.OK:
            (mine,) = [entry for entry in answer.json()["leaderboard"]["entries"] if entry.get("me")]
            return int(mine["steps"])
        if time.monotonic() > until:
            answer.raise_for_status()
        await asyncio.sleep(0.1)


async def _export(backups: Path, urls: dict[str, str]) -> None:

    await tombstones.export(backups / TOMBSTONES, urls)
