"""The web page's way in: sessions whose refresh token no script sees, on a whole backend; and reads by Connect's GET."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest_asyncio

from firewalker.local.backend import Backend

COOKIE = "firewalker_session"


def account() -> dict[str, str]:
    name = uuid4().hex[:12]
    return {
        "email": f"{name}@example.com",
        "password": f"walks-{name}",
        "nickname": f"n{name}",
        "timeZone": "Asia/Seoul",
    }


@pytest_asyncio.fixture(loop_scope="session")
async def tab(backend: Backend) -> AsyncIterator[httpx.AsyncClient]:
    """A page of the transcoder's own."""
    site = f"http://{backend.address('transcoder')}"
    headers = {"x-firewalker-session": "1", "origin": site, "sec-fetch-site": "same-origin"}
    async with httpx.AsyncClient(base_url=site, headers=headers, timeout=60) as client:
        yield client


def bearer(answer: httpx.Response) -> dict[str, str]:
    return {"authorization": f"Bearer {answer.json()['tokens']['accessToken']}"}


async def test_a_session_lives_by_its_cookie_until_it_is_logged_out(tab: httpx.AsyncClient) -> None:
    person = account()
    signed_up = await tab.post("/session/sign-up", json=person)
    assert signed_up.status_code == 200, signed_up.text
    assert "refreshToken" not in signed_up.text
    for _ in range(3):
        refreshed = await tab.post("/session/refresh")
        assert refreshed.status_code == 200
        me = await tab.get("/v1/users/me", headers=bearer(refreshed))
        assert me.json()["user"]["email"] == person["email"]
    assert (await tab.post("/session/logout")).json() == {}
    assert COOKIE not in tab.cookies
    async with asyncio.timeout(60):
        while (await tab.get("/v1/users/me", headers=bearer(refreshed))).status_code != 401:  # noqa: ASYNC110 - each turn is a new request
            await asyncio.sleep(0.05)
    login = {name: person[name] for name in ("email", "password")}
    assert (await tab.post("/session/login", json=login)).json()["user"]["nickname"] == person["nickname"]


async def test_many_tabs_that_wake_up_together_stay_signed_in(tab: httpx.AsyncClient) -> None:
    await tab.post("/session/sign-up", json=account())
    old = tab.cookies[COOKIE]
    for answer in await asyncio.gather(*(tab.post("/session/refresh") for _ in range(8))):
        assert answer.status_code == 200
    await tab.post("/session/refresh")
    tab.cookies.set(COOKIE, old, domain="127.0.0.1", path="/session")
    late = await tab.post("/session/refresh")
    assert late.status_code == 200, late.text
    assert (await tab.get("/v1/users/me", headers=bearer(late))).status_code == 200
    assert (await tab.post("/session/refresh")).status_code == 200


async def test_a_read_may_be_a_get_of_connects(tab: httpx.AsyncClient) -> None:
    signed_up = await tab.post("/session/sign-up", json=account())
    url = "/firewalker.user.v1.UserService/GetMe?connect=v1&encoding=json&message=%7B%7D"
    answer = await tab.get(url, headers=bearer(signed_up))
    assert answer.json()["user"] == {**answer.json()["user"], **signed_up.json()["user"]}
    assert answer.headers["cache-control"] == "no-store"
    keys = await tab.get("/firewalker.user.v1.AuthService/GetKeySet?connect=v1&encoding=json&message=%7B%7D")
    assert (keys.status_code, keys.headers["cache-control"]) == (200, "public, max-age=20")
    assert (await tab.get(url)).json()["code"] == "unauthenticated"
