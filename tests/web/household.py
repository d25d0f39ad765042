"""A populated place: friends who walk, a group, requests, news. What screens look like when they are used."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import httpx

from tests.web.neighbours import ZONE, Neighbour, move_in

FRIENDS = {"Minji": 9120, "Jonas": 7400, "Haruto": 5230, "Leïla": 4100, "Mateo": 0}
"""And what they have walked today; Mateo has not left the house."""

WEEK = (6400, 9800, 0, 11_200, 8300, 7050)
"""What Ann walked on the days before, yesterday first; the third she left her phone at home."""

TODAY = (1240, 380, 910, 2650, 1300)
"""What she has walked in the hours so far, this one first."""


@dataclass(frozen=True, slots=True)
class Household:
    """Ann, whose screens are looked at, and those around her."""

    ann: Neighbour
    friends: dict[str, Neighbour]
    group_id: str
    asked_id: str
    """A group that somebody asks to be let into."""


async def settle(client: httpx.AsyncClient) -> Household:
    """Have everybody move in, befriend Ann, and walk. Once in a backend: their names are unique."""
    ann = await move_in(client, "Ann")
    friends = {name: await move_in(client, name) for name in FRIENDS}
    await ann.call("PUT", "/v1/goals/me", {"dailySteps": 8000, "shared": True})
    for days_ago, steps in enumerate(WEEK, 1):
        for hour, share in ((8, 3), (13, 2), (18, 5)):
            if steps:
                await ann.walk(steps * share // 10, hour=hour, days_ago=days_ago)
    for name, friend in friends.items():
        await friend.befriend(ann)
        if FRIENDS[name]:
            await friend.walk(FRIENDS[name])
    hour = dt.datetime.now(ZONE).hour
    for hours_ago, steps in zip(range(hour + 1), TODAY, strict=False):
        await ann.walk(steps, hour=hour - hours_ago)
    asking = {name: await move_in(client, name) for name in ("Sofía", "Tariq")}
    for each in asking.values():
        await each.call("POST", "/v1/friend-requests", {"userId": ann.user_id})
    await ann.call("POST", "/v1/blocks", {"userId": (await move_in(client, "Viktor")).user_id})
    for name, kind in (("Minji", "FIRE"), ("Jonas", "CLAP")):
        await friends[name].call("POST", f"/v1/friends/{ann.user_id}:cheer", {"kind": kind})
    group_id = await _group(ann, friends)
    stairs = (await ann.call("POST", "/v1/groups", {"name": "Office stairs", "joinPolicy": "REQUEST"}))["group"]
    await asking["Tariq"].call("POST", "/v1/groups:join", {"groupId": stairs["groupId"]})
    return Household(ann, friends, group_id, str(stairs["groupId"]))


async def _group(ann: Neighbour, friends: dict[str, Neighbour]) -> str:
    words = {"name": "Riverside walkers", "description": "Sunday mornings along the river.", "joinPolicy": "OPEN"}
    group = (await ann.call("POST", "/v1/groups", words))["group"]
    for name in ("Minji", "Haruto", "Leïla"):
        await friends[name].call("POST", "/v1/groups:join", {"groupId": group["groupId"]})
    return str(group["groupId"])
