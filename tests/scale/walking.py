"""A backend on the Redis of a test, people who walk without a pause, and what becomes of whoever has left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from firewalker.local.backend import Backend
from tests.system.boards import Watcher
from tests.system.people import AUTH, STEPS, Person, Town, eventually
from tests.system.wire import Grpc, Refusal

PAUSE_S = 0.1


@asynccontextmanager
async def backend_on(
    redis_url: str, folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Backend, Town]]:
    """The backend with two step processes, and a client of each service."""
    more = {"FIREWALKER_REDIS_URL": redis_url, "FIREWALKER_STEP_WORKERS": "2", **(settings or {})}
    async with Backend.start(folder, settings=more, within_s=90) as backend:
        clients = [Grpc(backend.address(name)) for name in ("user", "step", "notification")]
        try:
            yield backend, Town(clients[0], clients[1], clients[2])
        finally:
            for client in clients:
                await client.close()


async def walk(town: Town, person: Person, until: float) -> tuple[int, list[str]]:
    """Upload growing counts; the last that was acknowledged, and every failure."""
    steps, failures = 0, list[str]()
    while time.monotonic() < until:
        try:
            await town.record(person, steps + 1)
            steps += 1
        except grpc.aio.AioRpcError as error:
            failures.append(repr(Refusal.of(error)))
        await asyncio.sleep(PAUSE_S)
    return steps, failures


async def leave(town: Town, person: Person) -> None:
    """End the person's session."""
    await town.user.unary(f"{AUTH}/Logout", {"refreshToken": person.refresh_token})


async def refusal_of(step: Grpc, token: str) -> str:
    """Why an upload with *token* is refused; empty if it is not."""
    try:
        await step.unary(f"{STEPS}/RecordSteps", {"readings": []}, token)
    except grpc.aio.AioRpcError as error:
        return Refusal.of(error).reason
    return ""


async def arrived(
    board: Watcher, walkers: Sequence[Person], walking: Sequence[Awaitable[tuple[int, list[str]]]]
) -> dict[str, int]:
    """What was acknowledged to each, by id, once all have walked without a failure and the *board* shows it."""
    results = await asyncio.gather(*walking)
    assert not [failure for _, failures in results for failure in failures]
    reached = {walker.user_id: steps for walker, (steps, _) in zip(walkers, results, strict=True)}

    async def shown() -> bool:
        return all(board.steps(walker) == reached[walker.user_id] for walker in walkers)

    await eventually(shown)
    assert not board.fell
    return reached
