"""Friends, blocks, invites, groups and profiles with nothing but an HTTP client: every route once, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.system.people import TOLD_WITHIN_S, Person, Town, eventually, new_name
from tests.system.test_newcomer_over_rest import bearer, reason, violated

Ask = Callable[..., Awaitable[Any]]


def asking(rest: httpx.AsyncClient, person: Person) -> Ask:
    """Calls as *person*, which answer the JSON of a 200."""

    async def ask(method: str, path: str, **more: Any) -> Any:
        answer = await rest.request(method, path, headers=bearer(person), **more)
        assert answer.status_code == 200, (method, path, answer.text)
        return answer.json()

    return ask


async def test_friendships_from_the_invite_to_the_block(rest: httpx.AsyncClient, town: Town) -> None:
    ann, bo = await town.person("Ann"), await town.person("Bo")
    as_ann, as_bo = asking(rest, ann), asking(rest, bo)

    invite = (await as_ann("POST", "/v1/friend-invites", json={}))["invite"]
    assert set(invite) == {"code", "url", "expireTime"}
    picture = await rest.get(f"/v1/friend-invites/{invite['code']}:qr", headers=bearer(ann))
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert picture.content.startswith(b"\x89PNG")
    asked = (await as_bo("POST", "/v1/friend-requests", json={"inviteCode": invite["code"]}))["friendship"]
    assert (asked["userId"], asked["state"]) == (ann.user_id, "REQUESTED")
    assert await as_ann("DELETE", f"/v1/friend-invites/{invite['code']}") == {}
    gone = await rest.get(f"/v1/friend-invites/{invite['code']}:qr", headers=bearer(ann))
    assert (gone.status_code, reason(gone)) == (404, "INVITE_NOT_FOUND")

    declined = await as_ann("POST", f"/v1/friend-requests/{bo.user_id}:decline", json={})
    assert declined["friendship"]["state"] == "NONE"
    outgoing = await as_bo("GET", "/v1/friend-requests?direction=OUTGOING")
    assert [request["userId"] for request in outgoing["friendRequests"]] == [ann.user_id]
    assert await as_bo("DELETE", f"/v1/friend-requests/{ann.user_id}") == {}
    await as_ann("POST", "/v1/friend-requests", json={"userId": bo.user_id})
    accepted = await as_bo("POST", f"/v1/friend-requests/{ann.user_id}:accept", json={})
    assert accepted["friendship"]["state"] == "FRIENDS"

    seen = await as_ann("POST", f"/v1/friends/{bo.user_id}:visibility", json={"visibility": "RANK_ONLY"})
    assert seen["friend"]["visibility"] == "RANK_ONLY"
    assert await as_ann("POST", f"/v1/friends/{bo.user_id}:cheer", json={"kind": "FIRE"}) == {}
    assert await as_ann("POST", f"/v1/users/{bo.user_id}:report", json={"reason": "SPAM", "text": "hm"}) == {}
    assert await as_ann("DELETE", f"/v1/friends/{bo.user_id}") == {}
    assert (await as_ann("GET", "/v1/friends"))["friends"] == []

    blocked = (await as_ann("POST", "/v1/blocks", json={"userId": bo.user_id}))["block"]
    assert (await as_ann("GET", "/v1/blocks"))["blocks"] == [blocked]
    assert await as_ann("DELETE", f"/v1/blocks/{bo.user_id}") == {}


async def test_profiles_are_changed_and_found(rest: httpx.AsyncClient, town: Town) -> None:
    ann, bo = await town.person("Ann"), await town.person("Bo")
    as_ann, as_bo = asking(rest, ann), asking(rest, bo)
    name = new_name("Ann")
    asked = {"nickname": name, "visibility": "HIDDEN", "timeZone": "Asia/Seoul"}
    changed = (await as_ann("PATCH", "/v1/users/me?updateMask=nickname,timeZone", json=asked))["user"]
    assert (changed["nickname"], changed["visibility"], changed["timeZone"]) == (name, "FRIENDS", "Asia/Seoul")
    assert (await as_ann("PATCH", "/v1/users/me", json={"visibility": "ROUNDED"}))["user"]["visibility"] == "ROUNDED"
    wrong = await rest.patch("/v1/users/me?updateMask=email", json={"email": "x@y.z"}, headers=bearer(ann))
    assert (wrong.status_code, reason(wrong)) == (400, "INVALID_REQUEST")
    short = await rest.patch("/v1/users/me", json={"nickname": "_"}, headers=bearer(ann))
    assert violated(short) == {"nickname"}
    early = await rest.patch("/v1/users/me", json={"timeZone": "UTC"}, headers=bearer(ann))
    assert (early.status_code, reason(early)) == (429, "TIME_ZONE_CHANGED_TODAY")
    assert int(early.headers["retry-after"]) > 0
    found = (await as_bo("GET", "/v1/users:search", params={"query": name.lower()}))["users"]
    assert found == [{"userId": ann.user_id, "nickname": name, "avatarUrl": "", "friendshipState": "NONE"}]
    assert (await as_bo("GET", f"/v1/users/{ann.user_id}"))["user"] == found[0]
    short = await rest.get("/v1/users:search?query=a", headers=bearer(bo))
    assert violated(short) == {"query"}


async def test_groups_from_the_founding_to_the_end(rest: httpx.AsyncClient, town: Town) -> None:
    ann, bo, cy = [await town.person(name) for name in ("Ann", "Bo", "Cy")]
    as_ann, as_bo, as_cy = (asking(rest, person) for person in (ann, bo, cy))
    made = {"name": "Han River", "maxMembers": 20, "joinPolicy": "REQUEST"}
    group = (await as_ann("POST", "/v1/groups", json=made))["group"]
    assert {key: group[key] for key in made} == made
    path = f"/v1/groups/{group['groupId']}"
    assert (await as_bo("GET", path))["group"]["memberCount"] == 1
    joined = await as_bo("POST", "/v1/groups:join", json={"groupId": group["groupId"]})
    assert joined["state"] == "REQUESTED"
    waiting = (await as_ann("GET", f"{path}/join-requests"))["joinRequests"]
    assert [request["userId"] for request in waiting] == [bo.user_id]
    assert await as_ann("POST", f"{path}/join-requests/{bo.user_id}:answer", json={"accept": True}) == {}
    invite = (await as_ann("POST", f"{path}/invites", json={}))["invite"]
    assert (await as_cy("POST", "/v1/groups:join", json={"code": invite["code"]}))["state"] == "JOINED"
    changed = await as_ann("PATCH", f"{path}?updateMask=description", json={"description": "early"})
    assert (changed["group"]["description"], changed["group"]["name"]) == ("early", "Han River")
    member = (await as_ann("POST", f"{path}/members/{bo.user_id}:setRole", json={"role": "OWNER"}))["member"]
    assert member["role"] == "OWNER"
    roles = {member["userId"]: member["role"] for member in (await as_cy("GET", f"{path}/members"))["members"]}
    assert roles == {ann.user_id: "ADMIN", bo.user_id: "OWNER", cy.user_id: "MEMBER"}
    assert [one["role"] for one in (await as_ann("GET", "/v1/groups"))["groups"]] == ["ADMIN"]
    left = await rest.post(f"{path}:leave", json={}, headers=bearer(bo))
    assert (left.status_code, reason(left)) == (400, "OWNER_MUST_TRANSFER")
    assert await as_ann("POST", f"{path}:leave", json={}) == {}
    assert await as_bo("POST", f"{path}/members/{cy.user_id}:ban", json={}) == {}
    assert await as_bo("POST", f"{path}/members/{cy.user_id}:unban", json={}) == {}
    await as_cy("POST", "/v1/groups:join", json={"code": invite["code"]})
    assert await as_bo("DELETE", f"{path}/members/{cy.user_id}") == {}
    assert await as_bo("DELETE", path) == {}
    gone = await rest.get(path, headers=bearer(bo))
    assert (gone.status_code, reason(gone)) == (404, "GROUP_NOT_FOUND")


async def test_who_hides_is_gone_from_boards_of_the_step_service(rest: httpx.AsyncClient, town: Town) -> None:
    ann, bo = await town.person("Ann"), await town.person("Bo")
    await town.befriend(ann, bo)
    await town.know_each_other(ann, 2)
    await town.record(bo, 777)

    async def seen() -> list[int]:
        return [steps for _, user, steps in await town.board(ann) if user == bo.user_id]

    async def shows(*steps: int) -> None:
        async def shown() -> bool:
            return await seen() == list(steps)

        await eventually(shown, TOLD_WITHIN_S)

    await shows(777)
    as_bo = asking(rest, bo)
    await as_bo("PATCH", "/v1/users/me", json={"visibility": "ROUNDED"})
    await shows(500)
    await as_bo("POST", f"/v1/friends/{ann.user_id}:visibility", json={"visibility": "HIDDEN"})
    await shows(0)
    await as_bo("POST", f"/v1/friends/{ann.user_id}:visibility", json={})
    await shows(500)
    await as_bo("POST", "/v1/blocks", json={"userId": ann.user_id})
    await shows()
