"""Goals, statistics, pictures and group boards over REST: every route of theirs, as a browser meets it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from firewalker.local.backend import Backend
from firewalker.runtime.mysql import Database
from tests.system.people import TODAY, Person, Town

LONG_AGO = datetime.now(UTC) - timedelta(days=100)


def headers(person: Person) -> dict[str, str]:
    return {"authorization": f"Bearer {person.token}"}


@asynccontextmanager
async def group_of(backend: Backend, *people: Person) -> AsyncIterator[str]:
    """A group as the step service knows one."""
    group = uuid4()
    async with Database(backend.setting("step", "MYSQL_URL")) as database, database.transaction() as tx:
        await tx.execute(
            "INSERT INTO walking_group (group_id, name, name_time) VALUES (%s, %s, %s)", (group, "walkers", LONG_AGO)
        )
        for person in people:
            await tx.execute(
                "INSERT INTO group_change (group_id, user_id, change_time, joined) VALUES (%s, %s, %s, 1)",
                (group, UUID(person.user_id), LONG_AGO),
            )
    yield str(group)


async def test_a_goal_is_put_read_and_shown_as_reached(town: Town, rest: httpx.AsyncClient) -> None:
    me = await town.person("Goal")
    nothing = (await rest.get("/v1/goals/me", headers=headers(me))).json()
    assert nothing == {"goal": {"dailySteps": 0, "shared": False, "firstDate": "", "currentDailySteps": 0}}
    put = await rest.put("/v1/goals/me", json={"dailySteps": 1_000, "shared": True}, headers=headers(me))
    assert put.json()["goal"]["dailySteps"] == put.json()["goal"]["currentDailySteps"] == 1_000
    assert (await rest.get("/v1/goals/me", headers=headers(me))).json() == put.json()
    await town.record(me, 1_200)
    board = (await rest.get("/v1/leaderboards/friends", headers=headers(me))).json()["leaderboard"]
    assert [entry["goalReached"] for entry in board["entries"]] == [True]
    refused = await rest.put("/v1/goals/me", json={"dailySteps": 99}, headers=headers(me))
    assert refused.status_code == 400
    assert refused.json()["details"][0]["reason"] == "GOAL_OUT_OF_RANGE"


async def test_statistics_are_numbers_and_pictures(town: Town, rest: httpx.AsyncClient) -> None:
    me = await town.person("Stats")
    await town.record(me, 700)
    shown = (await rest.get("/v1/stats/me", params={"period": "WEEK", "date": TODAY}, headers=headers(me))).json()[
        "stats"
    ]
    assert (shown["total"], shown["daysWithData"], len(shown["series"])) == (700, 1, 7)
    assert shown["bestDay"] == {"date": TODAY, "steps": 700}
    assert [point["value"] for point in shown["series"] if point["hasData"]] == [700]
    for asked, kind, begins in (
        ({"period": "MONTH"}, "image/svg+xml", b"<?xml"),
        ({"period": "DAY", "format": "PNG", "theme": "DARK", "width": "480", "height": "300"}, "image/png", b"\x89PNG"),
    ):
        picture = await rest.get("/v1/stats/me:chart", params=asked, headers=headers(me))
        assert (picture.status_code, picture.headers["content-type"]) == (200, kind)
        assert picture.content.startswith(begins)
    for wrong in ({}, {"period": "DECADE"}, {"period": "DAY", "width": "9"}):
        assert (await rest.get("/v1/stats/me:chart", params=wrong, headers=headers(me))).status_code == 400


async def test_groups_have_boards_statistics_and_pictures(
    town: Town, rest: httpx.AsyncClient, backend: Backend
) -> None:
    first, second, third = [await town.person("Group") for _ in range(3)]
    async with group_of(backend, first, second) as group:
        await town.record(first, 300)
        await town.record(second, 500)
        board = await rest.get(
            f"/v1/leaderboards/groups/{group}", params={"period": "DAY", "date": TODAY}, headers=headers(first)
        )
        entries = board.json()["leaderboard"]["entries"]
        assert [(entry["rank"], entry["steps"], entry["me"]) for entry in entries] == [(1, 500, False), (2, 300, True)]
        stats = await rest.get(f"/v1/stats/groups/{group}", params={"period": "MONTH"}, headers=headers(first))
        assert (stats.json()["stats"]["total"], stats.json()["stats"]["activeMembers"]) == (800, 2)
        picture = await rest.get(
            f"/v1/stats/groups/{group}:chart", params={"period": "WEEK", "locale": "en"}, headers=headers(first)
        )
        assert picture.headers["content-type"] == "image/svg+xml"
        await _watch(rest, f"/v1/leaderboards/groups/{group}:watch", headers(first))
        for path in (
            f"/v1/leaderboards/groups/{group}",
            f"/v1/stats/groups/{group}",
            f"/v1/stats/groups/{group}:chart",
        ):
            refused = await rest.get(path, params={"period": "WEEK"}, headers=headers(third))
            assert refused.status_code == 404
            assert refused.json()["details"][0]["reason"] == "GROUP_NOT_FOUND"


async def _watch(rest: httpx.AsyncClient, path: str, sent: dict[str, Any]) -> None:
    """The first event of a watched board is its snapshot."""
    accept = {"accept": "text/event-stream"}
    async with rest.stream("GET", path, params={"period": "WEEK"}, headers=sent | accept) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                assert '"snapshot"' in line
                return
    pytest.fail("the stream ended without an event")
