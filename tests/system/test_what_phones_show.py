"""From steps, cheers and groups to what phones show: every service and every relay between them, and nothing set aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from firewalker.local.backend import Backend
from firewalker.local.secrets import SERVICES
from firewalker.runtime.mysql.literals import fill
from firewalker.runtime.outbox import inspection
from tests.support.databases import run_on
from tests.system.people import FRIENDS, TODAY, TOLD_WITHIN_S, Person, Town, eventually
from tests.system.phones import friends_with_phones, signed
from tests.system.trackers import GrpcioTracker

CLOSED = {"name": "새벽 걷기", "joinPolicy": "REQUEST"}


class Phones:
    """What is on the screens of some people's phones."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def screen(self, kind: str, named: str) -> list[dict[str, Any]]:
        """What is shown of that type with those words in it."""
        async with httpx.AsyncClient(base_url=f"http://{self._backend.address('emulator')}") as page:
            pushes = (await page.get("/screen")).json()["pushes"]
        return [push for push in pushes if push["data"]["type"] == kind and named in push["body"]]

    async def show(self, kind: str, named: str) -> dict[str, Any]:
        """Wait until exactly one phone shows that."""
        (push,) = await eventually(lambda: self.screen(kind, named), TOLD_WITHIN_S)
        found: dict[str, Any] = push
        return found


@pytest.fixture
def phones(backend: Backend) -> Phones:
    return Phones(backend)


@asynccontextmanager
async def walking(backend: Backend, *people: Person) -> AsyncIterator[Sequence[GrpcioTracker]]:
    """A TrackSteps stream for each of *people*."""
    trackers = [GrpcioTracker(person, backend.address("step")) for person in people]
    yield trackers
    for tracker in trackers:
        await tracker.finish()


@asynccontextmanager
async def away(backend: Backend, service: str) -> AsyncIterator[None]:
    """Without *service*, which is back afterwards."""
    await backend.halt(service)
    try:
        yield
    finally:
        backend.revive(service)
    await backend.wait_ready(service)


async def nothing_is_set_aside(backend: Backend) -> None:
    """Every fact of every service has been taken in by whom it was for."""

    async def delivered() -> bool:
        lanes = [lane for service in SERVICES for lane in await inspection.look(backend.setting(service, "MYSQL_URL"))]
        assert [reason for lane in lanes for reason in lane.reasons] == []
        assert sum(lane.counts.set_aside for lane in lanes) == 0
        return not any(lane.counts.waiting for lane in lanes)

    await eventually(delivered, TOLD_WITHIN_S)


async def test_a_reached_goal_shows_on_the_walkers_phone_and_on_those_of_friends(
    town: Town, backend: Backend, rest: httpx.AsyncClient, phones: Phones
) -> None:
    ann, _ = await friends_with_phones(town, rest)
    goal = 1_000 + int(ann.user_id[-2:], 16)
    put = await rest.put("/v1/goals/me", json={"dailySteps": goal, "shared": True}, headers=signed(ann))
    assert put.status_code == 200, put.text
    async with walking(backend, ann) as (tracker,):
        await tracker.walk_to(goal - 1)
        assert await phones.screen("FRIEND_GOAL_REACHED", ann.nickname) == []
        await tracker.walk_to(goal)
        own, friends = await asyncio.gather(
            phones.show("GOAL_REACHED", f"{goal:,}보"), phones.show("FRIEND_GOAL_REACHED", ann.nickname)
        )
    assert own["device"] != friends["device"]
    assert friends["data"]["user_id"] == ann.user_id
    assert friends["data"]["date"] == own["data"]["date"] == TODAY
    await nothing_is_set_aside(backend)


async def test_who_is_overtaken_hears_of_it_once_the_lead_was_held(
    town: Town, backend: Backend, rest: httpx.AsyncClient, phones: Phones
) -> None:
    ann, bo = await friends_with_phones(town, rest)
    async with walking(backend, ann, bo) as (anns, bos):
        await anns.walk_to(1_000)
        await bos.walk_to(900)
        await bos.walk_to(1_150)
        push = await phones.show("OVERTAKEN", bo.nickname)
        assert (push["data"]["user_id"], push["data"]["date"]) == (bo.user_id, TODAY)
        assert push["title"] == "순위가 바뀌었어요"
    await nothing_is_set_aside(backend)


async def test_cheers_and_who_asks_to_join_a_group_show_on_phones(
    town: Town, backend: Backend, rest: httpx.AsyncClient, phones: Phones
) -> None:
    ann, bo = await friends_with_phones(town, rest)
    cheered = await rest.post(f"/v1/friends/{bo.user_id}:cheer", json={"kind": "FIRE"}, headers=signed(ann))
    assert cheered.status_code == 200, cheered.text
    made = await rest.post("/v1/groups", json=CLOSED, headers=signed(ann))
    group = made.json()["group"]["groupId"]
    asked = await rest.post("/v1/groups:join", json={"groupId": group}, headers=signed(bo))
    assert asked.json()["state"] == "REQUESTED", asked.text
    cheer, request = await asyncio.gather(
        phones.show("CHEER", ann.nickname), phones.show("GROUP_JOIN_REQUEST", bo.nickname)
    )
    assert cheer["data"]["user_id"] == ann.user_id
    assert request["data"]["group_id"] == group
    assert CLOSED["name"] in request["body"]
    assert cheer["device"] != request["device"]
    await nothing_is_set_aside(backend)


async def test_what_holds_no_longer_when_it_could_be_pushed_is_never_shown(
    town: Town, backend: Backend, rest: httpx.AsyncClient, phones: Phones
) -> None:
    """A cheer of somebody who is blocked since, an overtake that was walked back: both wait while nobody can push."""
    ann, bo = await friends_with_phones(town, rest)
    cy, dan = await town.person("Cy"), await town.person("Dan")
    await town.befriend(cy, bo)
    await town.know_each_other(cy, 2)
    async with away(backend, "notification"), walking(backend, bo, cy) as (bos, cys):
        await bos.walk_to(1_000)
        await cys.walk_to(900)
        await cys.walk_to(1_150)
        assert (await rest.post(f"/v1/friends/{bo.user_id}:cheer", json={}, headers=signed(ann))).status_code == 200
        assert (await rest.post("/v1/blocks", json={"userId": ann.user_id}, headers=signed(bo))).status_code == 200
        await eventually(lambda: waiting(backend, "Overtaken"), TOLD_WITHIN_S)
        await bos.walk_to(1_400)
    await nothing_is_set_aside(backend)
    await town.user.unary(f"{FRIENDS}/SendFriendRequest", {"userId": bo.user_id}, dan.token)
    await phones.show("FRIEND_REQUEST", dan.nickname)
    await eventually(lambda: dropped(backend, bo))
    assert await phones.screen("CHEER", ann.nickname) == []
    assert await phones.screen("OVERTAKEN", cy.nickname) == []
    listed = (await rest.get("/v1/notifications", headers=signed(bo))).json()["notifications"]
    assert [told["type"] for told in listed if told["params"].get("user_id") == ann.user_id] == []


async def waiting(backend: Backend, kind: str) -> bool:
    """Whether the step service has something of that kind still to tell."""
    rows = await run_on(backend.setting("step", "MYSQL_URL"), fill("SELECT 1 FROM outbox WHERE kind = %s", (kind,)))
    return bool(rows)


async def dropped(backend: Backend, person: Person) -> bool:
    """Whether it was decided of *person*'s overtake and cheer that they are not pushed."""
    asked = fill(
        "SELECT type, state FROM push WHERE user_id = %s AND type IN ('CHEER', 'OVERTAKEN') ORDER BY type",
        (UUID(person.user_id).bytes,),
    )
    rows = await run_on(backend.setting("notification", "MYSQL_URL"), asked)
    return rows == [("CHEER", "DROPPED"), ("OVERTAKEN", "DROPPED")]
