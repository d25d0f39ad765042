"""The first calls of a newcomer, with nothing but an HTTP client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.system.boards import sse
from tests.system.people import TODAY, ZONE, Person, Town, new_name

STATUS_TYPES = "type.googleapis.com/google.rpc."


def bearer(person: Person) -> dict[str, str]:
    return {"authorization": f"Bearer {person.token}"}


def reason(answer: httpx.Response) -> str:
    """The stable reason in an error answer."""
    assert answer.headers["content-type"] == "application/json"
    infos = [d for d in answer.json()["details"] if d["@type"] == STATUS_TYPES + "ErrorInfo"]
    assert [info["domain"] for info in infos] == ["firewalker"]
    return str(infos[0]["reason"])


def violated(answer: httpx.Response) -> set[str]:
    """The fields that an error answer names."""
    return {
        violation["field"]
        for detail in answer.json()["details"]
        if detail["@type"] == STATUS_TYPES + "BadRequest"
        for violation in detail["fieldViolations"]
    }


def newcomer() -> dict[str, str]:
    nickname = new_name("New")
    return {
        "email": f"{nickname.lower()}@example.com",
        "password": "a long walk home 17",
        "nickname": nickname,
        "timeZone": ZONE,
    }


async def test_from_sign_up_to_a_live_board(rest: httpx.AsyncClient) -> None:
    people: list[dict[str, Any]] = []
    for _ in range(2):
        asked = newcomer()
        answer = await rest.post("/v1/auth/signup", json=asked)
        assert answer.status_code == 200, answer.text
        person = answer.json()
        assert person["user"]["nickname"] == asked["nickname"]
        assert person["tokens"]["sessionId"]
        people.append({**person, "headers": {"authorization": f"Bearer {person['tokens']['accessToken']}"}})
    ann, bo = people

    me = (await rest.get("/v1/users/me", headers=ann["headers"])).json()["user"]
    assert me == ann["user"]
    assert (me["timeZone"], me["visibility"], me["avatarUrl"]) == (ZONE, "FRIENDS", "")

    body = {"userId": bo["user"]["userId"]}
    asked_for = (await rest.post("/v1/friend-requests", json=body, headers=ann["headers"])).json()["friendship"]
    assert (asked_for["state"], asked_for["requestedBy"]) == ("REQUESTED", me["userId"])
    incoming = (await rest.get("/v1/friend-requests?direction=INCOMING", headers=bo["headers"])).json()
    assert [request["userId"] for request in incoming["friendRequests"]] == [me["userId"]]
    assert incoming["nextPageToken"] == ""
    accepted = await rest.post(f"/v1/friend-requests/{me['userId']}:accept", headers=bo["headers"])
    assert accepted.json()["friendship"]["state"] == "FRIENDS"
    friends = (await rest.get("/v1/friends", headers=ann["headers"])).json()["friends"]
    assert [friend["nickname"] for friend in friends] == [bo["user"]["nickname"]]

    readings = [{"deviceId": "phone", "date": TODAY, "hour": 9, "steps": 800}]
    taken = (await rest.post("/v1/steps", json={"readings": readings}, headers=bo["headers"])).json()
    assert taken == {"results": [{"verdict": "ACCEPTED", "reason": ""}], "days": [{"date": TODAY, "total": 800}]}

    async with rest.stream(
        "GET", "/v1/leaderboards/friends:watch", headers={**ann["headers"], "accept": "application/x-ndjson"}
    ) as stream:
        async for line in stream.aiter_lines():
            frame = json.loads(line)
            rows = frame.get("snapshot", frame.get("changes", {})).get("entries", [])
            if any(row["userId"] == bo["user"]["userId"] and row["steps"] == 800 for row in rows):
                break

    board = (await rest.get("/v1/leaderboards/friends", headers=ann["headers"])).json()["leaderboard"]
    assert board["date"] == TODAY
    shown = [(row["rank"], row["nickname"], row["steps"], row["state"], row["me"]) for row in board["entries"]]
    assert shown == [
        (1, bo["user"]["nickname"], 800, "RANKED", False),
        (0, ann["user"]["nickname"], 0, "NO_DATA", True),
    ]


async def test_the_board_of_somebody_without_friends_is_a_board_of_one(town: Town, rest: httpx.AsyncClient) -> None:
    person = await town.person()
    headers = {**bearer(person), "accept": "text/event-stream"}
    async with rest.stream("GET", "/v1/leaderboards/friends:watch", headers=headers) as stream:
        assert stream.headers["cache-control"] == "no-cache"
        async for event, frame in sse(stream):
            assert event == "message"
            assert [(row["me"], row["state"]) for row in frame["snapshot"]["entries"]] == [(True, "NO_DATA")]
            break


async def test_every_wrong_field_of_a_sign_up_is_named_at_once(rest: httpx.AsyncClient) -> None:
    answer = await rest.post("/v1/auth/signup", json={"email": "nobody", "nickname": "x", "timeZone": "Mars/Olympus"})
    assert answer.status_code == 400
    assert answer.json()["code"] == 3
    assert reason(answer) == "INVALID_REQUEST"
    assert "password" in violated(answer)


async def test_an_unknown_field_is_named(rest: httpx.AsyncClient) -> None:
    answer = await rest.post("/v1/auth/login", json={"email": "a@example.com", "password": "x", "captcha": "1"})
    assert answer.status_code == 400
    assert "captcha" in answer.text


async def test_a_call_without_a_token_is_challenged(rest: httpx.AsyncClient) -> None:
    answer = await rest.get("/v1/users/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert reason(answer) == "ACCESS_TOKEN_INVALID"


@pytest.mark.requirement("AUTH-34")
async def test_unknown_address_and_wrong_password_look_the_same(town: Town, rest: httpx.AsyncClient) -> None:
    person = await town.person()
    unknown = await rest.post("/v1/auth/login", json={"email": "nobody@example.com", "password": "a wrong one"})
    wrong = await rest.post("/v1/auth/login", json={"email": person.email, "password": "a wrong one"})
    assert unknown.status_code == wrong.status_code == 401
    assert reason(unknown) == "BAD_CREDENTIALS"
    assert unknown.content == wrong.content


async def test_an_address_is_taken_once(town: Town, rest: httpx.AsyncClient) -> None:
    person = await town.person()
    answer = await rest.post("/v1/auth/signup", json={**newcomer(), "email": person.email.upper()})
    assert answer.status_code == 409
    assert reason(answer) == "EMAIL_TAKEN"
    answer = await rest.post("/v1/auth/signup", json={**newcomer(), "nickname": person.nickname.upper()})
    assert answer.status_code == 409
    assert reason(answer) == "NICKNAME_TAKEN"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/users/me/", 404),
        ("DELETE", "/v1/users/me", 405),
        ("GET", "/v1/auth/login", 405),
        ("GET", "/firewalker.event.v1.EventSinkService/Deliver", 404),
    ],
)
async def test_what_is_no_route_is_refused_in_json(
    rest: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await rest.request(method, path)
    assert answer.status_code == status
    assert answer.json()["code"] in {5, 12}
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    "body", [b"{", b'{"readings":[', b"[]", b"\xff\xfe", b'{"readings":{}}', b'{"readings":[],"readings":[]}']
)
async def test_a_body_that_is_no_request_is_a_400(town: Town, rest: httpx.AsyncClient, body: bytes) -> None:
    person = town.people[0] if town.people else await town.person()
    headers = {**bearer(person), "content-type": "application/json"}
    answer = await rest.post("/v1/steps", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == 3
    assert "Traceback" not in answer.text


async def test_too_large_a_body_is_a_413(town: Town, rest: httpx.AsyncClient) -> None:
    headers = {**bearer(await town.person()), "content-type": "application/json"}
    answer = await rest.post("/v1/steps", content=b'{"readings":[' + b" " * 1_100_000 + b"]}", headers=headers)
    assert answer.status_code == 413


async def test_a_full_password_lane_says_when_to_come_back(rest: httpx.AsyncClient) -> None:
    """More logins at once than the lane takes: some are answered, the others are told to wait."""
    body = {"email": "nobody@example.com", "password": "a wrong one"}
    async with httpx.AsyncClient(base_url=rest.base_url, timeout=60, limits=httpx.Limits(max_connections=100)) as crowd:
        answers = await asyncio.gather(*(crowd.post("/v1/auth/login", json=body) for _ in range(90)))
    assert {answer.status_code for answer in answers} == {401, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert reason(refused) == "OVERLOADED"
    assert int(refused.headers["retry-after"]) >= 1


async def test_a_day_is_read_and_corrected(town: Town, rest: httpx.AsyncClient) -> None:
    ann = await town.person()
    missing = await rest.get(f"/v1/steps/days/{TODAY}", headers=bearer(ann))
    assert (missing.status_code, reason(missing)) == (404, "DAY_NOT_FOUND")
    readings = [{"deviceId": "phone", "date": TODAY, "hour": hour, "steps": 800} for hour in (8, 9)]
    await rest.post("/v1/steps", json={"readings": readings}, headers=bearer(ann))
    truth = {"deviceId": "phone", "hours": [0] * 8 + [300] + [0] * 15, "reason": "the tram"}
    corrected = await rest.post(f"/v1/steps/days/{TODAY}:correct", json=truth, headers=bearer(ann))
    assert corrected.status_code == 200, corrected.text
    day = corrected.json()["day"]
    assert (day["total"], day["state"], day["revision"], day["hourlyDeviceIds"][8]) == (300, "OPEN", 1, "phone")
    assert (await rest.get(f"/v1/steps/days/{TODAY}", headers=bearer(ann))).json()["day"] == day
    asked = {"startDate": TODAY, "endDate": TODAY}
    listed = (await rest.get("/v1/steps/days", params=asked, headers=bearer(ann))).json()["days"]
    assert [(one["date"], one["total"], one["hourly"]) for one in listed] == [(TODAY, 300, truth["hours"])]
    repeated = (await rest.post("/v1/steps", json={"readings": readings}, headers=bearer(ann))).json()
    assert repeated["results"] == [{"verdict": "UNCHANGED", "reason": "HOUR_CORRECTED"}] * 2
    short = await rest.post(f"/v1/steps/days/{TODAY}:correct", json={**truth, "hours": [1]}, headers=bearer(ann))
    assert (short.status_code, violated(short)) == (400, {"hours"})
