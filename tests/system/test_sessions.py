"""A session that ends, as every process sees it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import httpx
import pytest

from firewalker.local.backend import Backend
from tests.support.databases import flush
from tests.system.boards import sse
from tests.system.people import AUTH, BOARDS, STEPS, TODAY, Person, Town, eventually
from tests.system.trackers import TRACK
from tests.system.wire import Refusal, as_dict, refused

ENDED_WITHIN_S = 1.0
"""Every process refuses an ended session within this time (contract)."""


async def refused_by_step(town: Town, person: Person) -> str:
    """The reason with which the step service refuses the person's token; empty while it does not."""
    try:
        await town.step.unary(f"{STEPS}/RecordSteps", {"readings": []}, person.token)
    except grpc.aio.AioRpcError as error:
        refusal = Refusal.of(error)
        assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
        return refusal.reason
    return ""


@pytest.mark.alone
@pytest.mark.requirement("AUTH-07", "AUTH-22")
async def test_logout_reaches_the_step_service_and_its_streams(town: Town, rest: httpx.AsyncClient) -> None:
    person = await town.person()
    watch = town.step.watch(f"{BOARDS}/WatchFriendLeaderboard", {"date": TODAY}, person.token)
    assert as_dict(await anext(watch))["snapshot"]["date"] == TODAY
    tracking = town.step.talk(TRACK, person.token)
    headers = {"authorization": f"Bearer {person.token}", "accept": "text/event-stream"}
    async with rest.stream("GET", "/v1/leaderboards/friends:watch", headers=headers) as stream:
        events = sse(stream)
        assert (await anext(events))[0] == "message"

        await town.user.unary(f"{AUTH}/Logout", {"refreshToken": person.refresh_token})
        began = time.monotonic()
        assert await eventually(lambda: refused_by_step(town, person), ENDED_WITHIN_S) == "SESSION_REVOKED"
        ends = await asyncio.gather(_end_of(watch), refused(tracking.read()), _events(events))
        assert time.monotonic() - began < 2 * ENDED_WITHIN_S

    native, track, browser = ends
    assert native == ("SESSION_REVOKED", grpc.StatusCode.UNAUTHENTICATED, "SESSION_REVOKED")
    assert (track.code, track.reason) == (grpc.StatusCode.UNAUTHENTICATED, "SESSION_REVOKED")
    assert browser[-2][1]["end"]["reason"] == "SESSION_REVOKED"
    assert (browser[-1][0], browser[-1][1]["code"]) == ("error", 16)


@pytest.mark.requirement("AUTH-20", "AUTH-25")
async def test_an_ended_session_stays_ended_when_redis_is_emptied(town: Town, backend: Backend) -> None:
    person, other = await town.person(), await town.person()
    await town.user.unary(f"{AUTH}/Logout", {"refreshToken": person.refresh_token})
    assert await eventually(lambda: refused_by_step(town, person)) == "SESSION_REVOKED"
    await flush(backend.setting("user", "REDIS_URL"))
    # A process that starts now knows only what is announced again from MySQL.
    await backend.kill("step")
    await backend.wait_ready("step")
    reason = await eventually(lambda: refused_by_step(town, person))
    assert reason == "SESSION_REVOKED"
    assert await refused_by_step(town, other) == ""


@pytest.mark.requirement("AUTH-11")
async def test_a_stolen_refresh_token_ends_the_session_for_both(town: Town) -> None:
    person = await town.person()

    async def refresh(token: str) -> Any:
        return (await town.user.unary(f"{AUTH}/Refresh", {"refreshToken": token})).tokens

    second = await refresh(person.refresh_token)
    assert (await refresh(person.refresh_token)).refresh_token == second.refresh_token
    await refresh(second.refresh_token)
    refusal = await refused(refresh(person.refresh_token))
    assert refusal.reason == "REFRESH_TOKEN_REUSED"
    assert await eventually(lambda: refused_by_step(town, person)) == "SESSION_REVOKED"
    assert (await refused(refresh(second.refresh_token))).reason == "REFRESH_TOKEN_INVALID"


async def _end_of(watch: Any) -> tuple[str, grpc.StatusCode, str]:
    """The last answer of a watch, and the status after it."""
    reason = ""
    try:
        async for frame in watch:
            reason = as_dict(frame).get("end", {}).get("reason", reason)
    except grpc.aio.AioRpcError as error:
        refusal = Refusal.of(error)
        return reason, refusal.code, refusal.reason
    raise AssertionError("ended with OK")


async def _events(events: Any) -> list[tuple[str, dict[str, Any]]]:
    return [event async for event in events]
