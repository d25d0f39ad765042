"""Both workers of a service are replaced, one after the other, while clients of three kinds call without a pause."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from firewalker.gen.pb.firewalker.step.v1 import Reading, RecordStepsRequest, StepServiceStub
from firewalker.gen.pb.firewalker.user.v1 import GetMeRequest, UserServiceStub
from firewalker.local.backend import Backend
from firewalker.runtime.grpc.channel import InternalChannel
from tests.system.boards import Watcher, over_grpc, over_sse, watching
from tests.system.people import TODAY, USERS, Person, Town, eventually
from tests.system.wire import Grpc

pytestmark = pytest.mark.alone

PAUSE_S = 0.25
"""Between the calls of one caller: no one may upload more than 20 times a second for long."""

CALLERS = 4
"""Of each kind, all at once."""

ROLL_LIMIT_S = 60.0


@dataclass
class Ledger:
    """What one kind of client was told."""

    kind: str
    steps: int = 0
    """Highest count that was acknowledged."""
    answered: int = 0
    failures: list[str] = field(default_factory=list)


Upload = Callable[[int], Awaitable[None]]
Look = Callable[[], Awaitable[None]]


async def call_without_pause(
    ledger: Ledger, upload: Upload, look: Look, hour: Counter[str], stop: asyncio.Event
) -> None:
    """Upload growing counts and look at oneself, in turn, until told to stop; every failure is written down."""
    while not stop.is_set():
        hour[ledger.kind] += 1
        steps = hour[ledger.kind]
        try:
            async with asyncio.timeout(60):
                await upload(steps)
                ledger.steps = max(ledger.steps, steps)
                await look()
        except Exception as error:  # noqa: BLE001 - whatever the client was told instead of an answer
            ledger.failures.append(f"{ledger.kind}: {error!r}")
        ledger.answered += 1
        await asyncio.sleep(PAUSE_S)


def over_grpcio(town: Town, person: Person) -> tuple[Upload, Look]:
    async def upload(steps: int) -> None:
        await town.record(person, steps, device="grpcio")

    async def look() -> None:
        await town.user.unary(f"{USERS}/GetMe", {}, person.token)

    return upload, look


def over_grpclib(backend: Backend, person: Person) -> tuple[Upload, Look, Callable[[], None]]:
    channels = [InternalChannel(backend.address(name), person.token) for name in ("step", "user")]
    step, user = StepServiceStub(channels[0]), UserServiceStub(channels[1])

    async def upload(steps: int) -> None:
        await step.record_steps(
            RecordStepsRequest(readings=[Reading(device_id="grpclib", date=TODAY, hour=9, steps=steps)])
        )

    async def look() -> None:
        await user.get_me(GetMeRequest())

    def close() -> None:
        for channel in channels:
            channel.close()

    return upload, look, close


def over_rest(client: httpx.AsyncClient, person: Person) -> tuple[Upload, Look]:
    headers = {"authorization": f"Bearer {person.token}"}

    async def upload(steps: int) -> None:
        reading = {"deviceId": "rest", "date": TODAY, "hour": 9, "steps": steps}
        (await client.post("/v1/steps", json={"readings": [reading]}, headers=headers)).raise_for_status()

    async def look() -> None:
        (await client.get("/v1/users/me", headers=headers)).raise_for_status()

    return upload, look


@asynccontextmanager
async def two_of_each(folder: Path) -> AsyncIterator[tuple[Backend, Town, httpx.AsyncClient]]:
    settings = {"FIREWALKER_STEP_WORKERS": "2", "FIREWALKER_USER_WORKERS": "2"}
    async with Backend.start(folder, settings=settings) as backend:
        clients = [Grpc(backend.address(name)) for name in ("user", "step", "notification")]
        try:
            async with httpx.AsyncClient(base_url=f"http://{backend.address('transcoder')}", timeout=60) as rest:
                yield backend, Town(clients[0], clients[1], clients[2]), rest
        finally:
            for client in clients:
                await client.close()


async def roll(backend: Backend, service: str) -> float:
    """Replace the workers of *service*; the seconds it took."""
    began, before = time.monotonic(), len(backend.lines(service))
    backend.signal(service, signal.SIGHUP)

    async def replaced() -> bool:
        return any("workers_replaced" in line for line in backend.lines(service)[before:])

    await eventually(replaced, ROLL_LIMIT_S)
    return time.monotonic() - began


@pytest.mark.requirement("NET-41", "NET-42")
async def test_a_rolling_restart_loses_no_call_and_streams_go_on(tmp_path: Path) -> None:
    async with two_of_each(tmp_path) as (backend, town, rest):
        kinds = ("grpcio", "grpclib", "rest")
        walkers = {kind: await town.person(kind) for kind in kinds}
        viewer = await town.person("Viewer")
        for walker in walkers.values():
            await town.befriend(viewer, walker)
        await town.know_each_other(viewer, 4)

        ledgers = {kind: Ledger(kind) for kind in kinds}
        library_upload, library_look, close = over_grpclib(backend, walkers["grpclib"])
        ways: dict[str, tuple[Upload, Look]] = {
            "grpcio": over_grpcio(town, walkers["grpcio"]),
            "grpclib": (library_upload, library_look),
            "rest": over_rest(rest, walkers["rest"]),
        }
        stop, counts = asyncio.Event(), Counter[str]()
        callers = [
            asyncio.create_task(call_without_pause(ledgers[kind], *ways[kind], counts, stop))
            for kind in kinds
            for _ in range(CALLERS)
        ]
        seen = [Watcher("gRPC", viewer), Watcher("SSE", viewer)]
        try:
            async with watching(seen[0], over_grpc(town.step)), watching(seen[1], over_sse(rest)):
                for service in ("step", "user"):
                    await roll(backend, service)
                    await asyncio.sleep(1)  # load on the new ones; not a wait for a result
                stop.set()
                await asyncio.gather(*callers)

                async def current() -> bool:
                    return all(
                        watcher.steps(walkers[kind]) >= ledgers[kind].steps for watcher in seen for kind in kinds
                    )

                await eventually(current, 10)
        finally:
            stop.set()
            await asyncio.gather(*callers)
            close()

        for ledger in ledgers.values():
            assert ledger.failures == []
            assert ledger.answered > 40
        for watcher in seen:
            assert watcher.ends.count("SERVER_DRAINING") >= 1
            assert watcher.streams >= 2
            assert watcher.fell == []
        # Nothing that was acknowledged is missing where it counts.
        shown = {user_id: steps for _, user_id, steps in await town.board(viewer)}
        for kind in kinds:
            assert shown[walkers[kind].user_id] >= ledgers[kind].steps
