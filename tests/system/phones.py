"""People with phones that ring, and what the emulator's screens show of it."""

from __future__ import annotations

from typing import Any

import httpx

from firewalker.local.backend import Backend
from tests.system.people import FRIENDS, TOLD_WITHIN_S, Person, Town, eventually

NO_QUIET_HOURS = {"quietHours": {"start": "00:00", "end": "00:00"}, "locale": "ko"}


def signed(person: Person) -> dict[str, str]:
    return {"authorization": f"Bearer {person.token}"}


async def with_phone(rest: httpx.AsyncClient, person: Person) -> None:
    """Give *person* a phone that may ring at any hour."""
    body = {"platform": "ANDROID", "registrationToken": f"token-of-{person.user_id}", "locale": "ko-KR"}
    made = await rest.put(f"/v1/devices/phone-{person.user_id}", json=body, headers=signed(person))
    assert made.status_code == 200, made.text
    wished = await rest.patch("/v1/notifications/preferences", json=NO_QUIET_HOURS, headers=signed(person))
    assert wished.json()["preferences"]["locale"] == "ko", wished.text


async def shown(backend: Backend, person: Person) -> list[dict[str, Any]]:
    """What the phones show that concerns *person*."""
    async with httpx.AsyncClient(base_url=f"http://{backend.address('emulator')}") as page:
        pushes = (await page.get("/screen")).json()["pushes"]
    return [push for push in pushes if push["data"].get("user_id") == person.user_id]


async def friends_with_phones(town: Town, rest: httpx.AsyncClient) -> tuple[Person, Person]:
    """Two friends who know of each other everywhere."""
    ann, bo = await town.person("Ann"), await town.person("Bo")
    for person in (ann, bo):
        await with_phone(rest, person)
    await town.befriend(ann, bo)
    for person in (ann, bo):
        await town.know_each_other(person, 2)
    return ann, bo


async def asked_for_friendship(
    town: Town, backend: Backend, rest: httpx.AsyncClient
) -> tuple[Person, Person, dict[str, Any]]:
    """Who asked, who was asked, and the push that the latter's phone shows of it."""
    ann, bo = await town.person("Ann"), await town.person("Bo")
    await with_phone(rest, bo)
    await town.user.unary(f"{FRIENDS}/SendFriendRequest", {"userId": bo.user_id}, ann.token)
    (push,) = await eventually(lambda: shown(backend, ann), TOLD_WITHIN_S)
    return ann, bo, push
