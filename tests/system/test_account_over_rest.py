"""An account from its mail to its end, over REST, through all processes."""

from __future__ import annotations

import json
import re
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from firewalker.local.backend import Backend
from tests.system.people import Person, Town, eventually

OTHER = "fog under the bridge"


def headers(person: Person, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {person.token}", **more}


def _tokens(folder: Path, email: str) -> list[str]:
    mails = [message_from_bytes(path.read_bytes(), policy=default) for path in sorted(folder.glob("*.eml"))]
    return [
        t for mail in mails if mail["To"] == email for t in re.findall(r"^fwm1_\S+", mail.get_content(), re.MULTILINE)
    ]


async def mailed(backend: Backend, email: str, count: int) -> str:
    """The newest token that was mailed, once there are so many."""

    async def found() -> str:
        tokens = _tokens(backend.plan.secrets.folder.parent / "mail", email)
        return tokens[-1] if len(tokens) >= count else ""

    token: str = await eventually(found)
    return token


async def post(rest: httpx.AsyncClient, path: str, person: Person | None = None, **body: Any) -> dict[str, Any]:
    answer = await rest.post(path, json=body, headers=headers(person) if person else {})
    content: dict[str, Any] = answer.json()
    assert answer.status_code == 200, content
    return content


async def test_mail_sessions_keys_export_and_deletion(town: Town, rest: httpx.AsyncClient, backend: Backend) -> None:
    person, friend = await town.person(), await town.person()
    await town.befriend(person, friend)
    await town.record(person, 1234)
    await post(rest, "/v1/auth/email:resend", person)
    await post(rest, "/v1/auth/email:verify", token=await mailed(backend, person.email, 1))
    me = (await rest.get("/v1/users/me", headers=headers(person))).json()["user"]
    assert me["emailVerified"] is True

    signed_in = await post(rest, "/v1/auth/login", email=person.email, password=person.password, deviceName="a browser")
    listed = (await rest.get("/v1/auth/sessions", headers=headers(person))).json()["sessions"]
    assert {found["deviceName"] for found in listed} >= {"a browser"}
    assert [found["current"] for found in listed].count(True) == 1
    other = signed_in["tokens"]["sessionId"]
    assert (await rest.delete(f"/v1/auth/sessions/{other}", headers=headers(person))).json() == {}
    await post(rest, "/v1/auth/password", person, currentPassword=person.password, newPassword=OTHER)

    answer = await rest.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=20"
    keys = answer.json()
    public = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(person.token)["kid"]]
    assert jwt.decode(person.token, public, ["EdDSA"], audience="firewalker")["sub"] == person.user_id

    assert (await rest.get("/v1/auth/providers", headers=headers(person))).json()["providers"] == []
    unlink = await rest.delete("/v1/auth/providers/KAKAO", headers=headers(person))
    assert (unlink.status_code, unlink.json()["details"][0]["reason"]) == (404, "PROVIDER_NOT_LINKED")

    async with rest.stream("GET", "/v1/users/me:export", headers=headers(person)) as answer:
        records = [json.loads(line) for line in (await answer.aread()).decode().splitlines()]
    kinds = {record["kind"] for record in records}
    assert kinds >= {"profile", "account", "session", "friend", "day", "mail", "notification_preferences"}
    assert OTHER not in json.dumps(records)

    refused = await rest.post("/v1/users/me:delete", json={"password": person.password}, headers=headers(person))
    assert (refused.status_code, refused.json()["details"][0]["reason"]) == (401, "BAD_CREDENTIALS")
    await post(rest, "/v1/users/me:delete", person, password=OTHER)

    async def gone() -> bool:
        return (await rest.get("/v1/stats/me", params={"period": "DAY"}, headers=headers(person))).status_code == 401

    assert await eventually(gone)
    login = await rest.post("/v1/auth/login", json={"email": person.email, "password": OTHER})
    assert (login.status_code, login.json()["details"][0]["reason"]) == (401, "BAD_CREDENTIALS")

    async def left_the_board() -> bool:
        return all(entry[1] != person.user_id for entry in await town.board(friend))

    assert await eventually(left_the_board)


@pytest.mark.requirement("AUTH-35")
async def test_a_forgotten_password_comes_back_by_mail(town: Town, rest: httpx.AsyncClient, backend: Backend) -> None:
    person = await town.person()
    await mailed(backend, person.email, 1)
    answers = [
        await post(rest, "/v1/auth/password-reset", email=email) for email in (person.email, "nobody@example.org")
    ]
    assert answers == [{}, {}]
    token = await mailed(backend, person.email, 2)
    await post(rest, "/v1/auth/password-reset:confirm", token=token, newPassword=OTHER)
    await post(rest, "/v1/auth/login", email=person.email, password=OTHER)
