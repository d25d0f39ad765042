"""Processes that stop, in order and otherwise, while people use them: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import httpx
import pytest

from firewalker.local.backend import Backend
from tests.system.people import AUTH, BOARDS, TODAY, USERS, Town, eventually
from tests.system.trackers import GrpcioTracker, GrpclibTracker, Tracker
from tests.system.wire import Grpc, Refusal, as_dict

RESTART_LIMIT_S = 60


async def replaced(backend: Backend, name: str, number: int) -> str:
    """Send *name* a signal, and wait until the supervisor has a ready successor; how the first one ended."""
    starts = backend.starts(name)
    backend.signal(name, number)

    async def successor() -> bool:
        return backend.starts(name) > starts and backend.is_ready(name)

    await eventually(successor, within_s=RESTART_LIMIT_S)
    # The lines that are kept are bounded, so they cannot be told by their number: the last such word is the newest.
    return next(line for line in reversed(backend.lines(name)) if "starts again" in line)


@pytest.mark.requirement("NET-41", "DATA-25")
async def test_a_step_service_that_is_told_to_stop_loses_no_acknowledged_reading(town: Town, backend: Backend) -> None:
    address = backend.address("step")
    trackers: list[Tracker] = [GrpcioTracker(await town.person(), address) for _ in range(2)]
    trackers += [GrpclibTracker(await town.person(), address) for _ in range(2)]
    over = asyncio.Event()

    async def walk(tracker: Tracker) -> None:
        steps = 0
        while not over.is_set():
            steps += 2
            await tracker.walk_to(steps)

    async with asyncio.TaskGroup() as group:
        for tracker in trackers:
            group.create_task(walk(tracker))
        ended = await replaced(backend, "step", signal.SIGTERM)
        over.set()
    assert "status 0" in ended
    for tracker in trackers:
        assert (await town.board(tracker.person))[0][2] == tracker.acknowledged[10]
        assert tracker.acknowledged[10] > 0
        await tracker.finish()


@pytest.mark.requirement("NET-41")
@pytest.mark.parametrize("service", ["user", "notification", "transcoder"])
async def test_a_service_that_is_told_to_stop_finishes_what_it_has_begun(
    town: Town, rest: httpx.AsyncClient, backend: Backend, service: str
) -> None:
    person = await town.person()
    headers = {"authorization": f"Bearer {person.token}"}

    async def over_rest(path: str) -> str:
        try:
            return str((await rest.get(path, headers=headers)).status_code)
        except (httpx.ConnectError, httpx.ReadError):
            return "not listening"
        except httpx.RemoteProtocolError as error:
            # A kept connection that is closed just as the next request leaves: part of HTTP/1.1, nothing was begun.
            if "without sending a response" not in str(error):
                raise
            return "not listening"

    async def over_grpc(client: Grpc, method: str) -> str:
        try:
            await client.unary(method, {}, person.token)
        except grpc.aio.AioRpcError as error:
            return str(Refusal.of(error).code)
        return "OK"

    inbox = "firewalker.notification.v1.NotificationService/ListNotifications"
    calls: dict[str, tuple[Callable[[], Awaitable[str]], set[str]]] = {
        "user": (lambda: over_grpc(town.user, f"{USERS}/GetMe"), {"OK", str(grpc.StatusCode.UNAVAILABLE)}),
        "notification": (lambda: over_grpc(town.notification, inbox), {"OK", str(grpc.StatusCode.UNAVAILABLE)}),
        "transcoder": (lambda: over_rest("/v1/users/me"), {"200", "503", "not listening"}),
    }
    call, expected = calls[service]
    over, outcomes = asyncio.Event(), list[str]()

    async def keep_calling() -> None:
        while not over.is_set():
            outcomes.append(await call())
            await asyncio.sleep(0.002)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(keep_calling())
        ended = await replaced(backend, service, signal.SIGTERM)
        over.set()
    assert "status 0" in ended
    # Answered, or told that nobody is there; never cut off in the middle.
    assert set(outcomes) <= expected
    assert outcomes.count(await call()) > 0


@pytest.mark.parametrize("service", ["user", "step", "notification", "transcoder"])
async def test_the_supervisor_restarts_what_is_killed(
    town: Town, rest: httpx.AsyncClient, backend: Backend, service: str
) -> None:
    person = await town.person()
    await town.record(person, 70)
    await replaced(backend, service, signal.SIGKILL)

    async def usable() -> bool:
        answer = await rest.get("/v1/leaderboards/friends", headers={"authorization": f"Bearer {person.token}"})
        return answer.status_code == httpx.codes.OK and answer.json()["leaderboard"]["entries"][0]["steps"] == 70

    await eventually(usable, within_s=60)


@pytest.mark.requirement("NET-41")
async def test_a_watch_is_told_that_the_server_stops_and_resumes_at_the_next_one(town: Town, backend: Backend) -> None:
    person = await town.person()
    await town.record(person, 10)
    watch = town.step.watch(f"{BOARDS}/WatchFriendLeaderboard", {"date": TODAY}, person.token)
    frames: list[dict[str, Any]] = [as_dict(await anext(watch))]
    assert frames[0]["snapshot"]["entries"][0]["steps"] == 10
    stopped = asyncio.create_task(replaced(backend, "step", signal.SIGTERM))
    frames += [as_dict(frame) async for frame in watch]  # ends with status OK, or raises
    assert frames[-1]["end"]["reason"] == "SERVER_DRAINING"
    await stopped
    asked = {"date": TODAY, "resumeVersion": frames[-1]["end"]["version"]}
    again = town.step.watch(f"{BOARDS}/WatchFriendLeaderboard", asked, person.token)
    first = as_dict(await anext(again))
    # The versions of the process that is gone are gone with it.
    assert first["snapshot"]["entries"][0]["steps"] == 10


@pytest.mark.requirement("DATA-05")
async def test_the_backend_gets_over_a_restart_of_its_servers(town: Town, backend: Backend) -> None:
    person = await town.person()
    await town.record(person, 30)
    for server in ("redis", "mysql"):
        await backend.kill(server)
        await backend.wait_ready(server)

        async def usable() -> bool:
            try:
                await town.user.unary(f"{AUTH}/Login", {"email": person.email, "password": person.password})
                return (await town.board(person))[0][2] == 30
            except grpc.aio.AioRpcError as error:
                if Refusal.of(error).code is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return False

        await eventually(usable, within_s=60)
        assert (await town.record(person, 30)).days[0].total == 30
