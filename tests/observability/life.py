"""People who use all of the product for a while: what there is to be seen then is what dashboards are for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from firewalker.cli.addresses import Address, Addresses
from firewalker.cli.walk.course import Outcome, walk_all
from firewalker.cli.walk.crowd import Plan, crowd
from firewalker.cli.walk.meters import Meters
from firewalker.local.backend import Backend
from firewalker.local.ports import HOST
from tests.system.boards import Watcher, over_grpc, over_sse, watching
from tests.system.people import AUTH, FRIENDS, TODAY, Person, Town
from tests.system.phones import friends_with_phones, signed
from tests.system.wire import Grpc

SETTINGS = {"FIREWALKER_STEP_OVERTAKE_HELD_S": "1"}
WALK = Plan(users=8, seed=1, speed=20, interval_s=0.3)


@asynccontextmanager
async def people_at_it(backend: Backend) -> AsyncIterator[None]:
    """While the block runs: walkers on streams, friends who overtake each other with phones that ring, sessions that end."""
    clients = [Grpc(backend.address(name)) for name in ("user", "step", "notification")]
    town = Town(clients[0], clients[1], clients[2])
    over = asyncio.Event()
    async with httpx.AsyncClient(base_url=f"http://{backend.address('transcoder')}", timeout=15) as rest:
        ann, bo = await friends_with_phones(town, rest)
        goal = {"dailySteps": 1_000, "shared": True}
        (await rest.put("/v1/goals/me", json=goal, headers=signed(ann))).raise_for_status()
        async with (
            watching(Watcher("gRPC", ann), over_grpc(town.step)),
            watching(Watcher("SSE", bo), over_sse(rest)),
            asyncio.TaskGroup() as group,
        ):
            tasks = [
                group.create_task(_walkers(backend, over)),
                group.create_task(_rivals(town, ann, bo, over)),
                group.create_task(_strangers(town, rest, ann, over)),
            ]
            try:
                yield
            finally:
                over.set()
                await asyncio.wait(tasks, timeout=60)
    for client in clients:
        await client.close()


def addresses_of(backend: Backend) -> Addresses:
    """Where the command line's walkers find *backend*."""
    names = ("user", "step", "notification", "transcoder")
    return Addresses(**{name: Address(HOST, backend.port(name)) for name in names})


async def _walkers(backend: Backend, over: asyncio.Event) -> Outcome:
    async with crowd(WALK, addresses_of(backend), Meters(), lambda *_: None) as walkers:
        outcome = await walk_all(walkers, over)
    assert outcome.good, outcome
    return outcome


async def _rivals(town: Town, ann: Person, bo: Person, over: asyncio.Event) -> None:
    """Two friends, each ahead in turn for long enough that it is told."""
    steps, began = 1_000, time.monotonic()
    while not over.is_set() and steps < 14_000:
        ahead, behind = (ann, bo) if int(time.monotonic() - began) // 4 % 2 else (bo, ann)
        await town.record(ahead, steps, hour=9)
        steps += 150
        await town.record(behind, steps - 140, hour=8)
        await _pause(over, 2)


async def _strangers(town: Town, rest: httpx.AsyncClient, ann: Person, over: asyncio.Event) -> None:
    """Somebody new every other second: asks for a friendship, is cheered, draws a picture, signs out."""
    while not over.is_set():
        stranger = await town.person("Cy")
        await town.user.unary(f"{FRIENDS}/SendFriendRequest", {"userId": ann.user_id}, stranger.token)
        await town.user.unary(f"{FRIENDS}/DeclineFriendRequest", {"userId": stranger.user_id}, ann.token)
        chart = {"kind": "DAYS", "date": TODAY, "format": "SVG"}
        await rest.get("/v1/stats/me:chart", params=chart, headers=signed(ann))
        (await rest.get("/v1/leaderboards/friends", headers=signed(ann))).raise_for_status()
        await town.user.unary(f"{AUTH}/Logout", {"refreshToken": stranger.refresh_token}, stranger.token)
        await _pause(over, 1)


async def _pause(over: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()
