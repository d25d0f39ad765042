"""The routes below /session, over a service whose refresh tokens rotate by confirmation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.waiting import until
from tests.transcoder.accounts_server import LIFE_S, SERVICE, Accounts, accounts
from tests.transcoder.descriptors import library
from transcoder.app import Transcoder
from transcoder.backends import Address
from transcoder.config import Settings
from transcoder.schema import SchemaError

OWN = {"x-firewalker-session": "1"}
GOOD = {"email": "a@example.com", "password": "right"}


@pytest.fixture
async def service() -> AsyncIterator[Accounts]:
    served = Accounts()
    await served.start()
    yield served
    await served.stop()


@pytest.fixture
async def app(service: Accounts) -> AsyncIterator[Transcoder]:
    backends = {"accounts.v1": Address("127.0.0.1", service.port)}
    made = Transcoder(settings(backends, SERVICE), accounts())
    yield made
    made._backends.close()
    await asyncio.sleep(0)


def settings(backends: dict[str, Address], service: str) -> Settings:
    known: dict[str, Any] = {"descriptor_set": Path("unused"), "backends": backends, "session_service": service}
    return Settings(**known)


def browser(app: Transcoder, url: str = "http://127.0.0.1:8080") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 5000))
    return httpx.AsyncClient(transport=transport, base_url=url, headers=OWN)


@pytest.fixture
async def client(app: Transcoder) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app) as made:
        yield made


def cookie(answer: httpx.Response) -> Any:
    (found,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return found


@pytest.mark.parametrize("route", ["sign-up", "login"])
async def test_signing_in_answers_as_the_rpc_but_the_token_is_in_a_cookie(
    client: httpx.AsyncClient, service: Accounts, route: str
) -> None:
    answer = await client.post(f"/session/{route}", json=GOOD)
    assert answer.status_code == 200
    told = answer.json()
    assert told["user"] == {"email": "a@example.com"}
    assert sorted(told["tokens"]) == ["accessToken", "refreshExpireTime"]
    assert "token-1" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    found = cookie(answer)
    assert found.value == "token-1"
    assert (found["path"], found["httponly"], found["samesite"]) == ("/session", True, "Strict")
    assert LIFE_S - 60 < int(found["max-age"]) <= LIFE_S
    assert service.seen == ["a@example.com 192.0.2.7"]


@pytest.mark.parametrize(
    ("url", "forwarded", "secure"),
    [
        ("http://localhost:8080", None, False),
        ("http://127.0.0.1:8080", None, False),
        ("http://[::1]:8080", None, False),
        ("http://app.localhost", None, False),
        ("http://127.0.0.1:8080", "https", True),
        ("http://192.0.2.1:8080", None, True),
        ("http://app.example", None, True),
        ("http://127.0.0.1.example", None, True),
    ],
)
async def test_the_cookie_is_secure_but_on_this_machine(
    app: Transcoder,
    url: str,
    forwarded: str | None,
    secure: bool,  # noqa: FBT001 - a case
) -> None:
    headers = {} if forwarded is None else {"x-forwarded-proto": forwarded}
    async with browser(app, url) as client:
        answer = await client.post("/session/login", json=GOOD, headers=headers)
    assert bool(cookie(answer)["secure"]) is secure


async def test_what_is_wrong_is_told_as_by_the_rest_method(client: httpx.AsyncClient) -> None:
    refused = await client.post("/session/login", json={"email": 1, "pasword": "x"})
    (info, bad) = refused.json()["details"]
    assert (refused.status_code, info["reason"]) == (400, "INVALID_FIELD")
    assert {each["field"] for each in bad["fieldViolations"]} == {"email", "pasword"}
    wrong = await client.post("/session/login", json={**GOOD, "password": "wrong"})
    assert (wrong.status_code, wrong.json()["message"], "set-cookie" in wrong.headers) == (401, "no", False)


async def test_a_refresh_reads_the_cookie_and_replaces_it(client: httpx.AsyncClient, service: Accounts) -> None:
    await client.post("/session/login", json=GOOD)
    answer = await client.post("/session/refresh")
    assert answer.json()["tokens"]["accessToken"] == "access-2"
    assert "refreshToken" not in answer.json()["tokens"]
    assert cookie(answer).value == "token-2"
    assert service.seen[1:] == ["token-1"]


async def test_without_a_cookie_there_is_no_session(client: httpx.AsyncClient, service: Accounts) -> None:
    answer = await client.post("/session/refresh")
    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (401, "NO_SESSION")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert service.seen == []


async def test_a_token_that_will_never_do_again_is_forgotten(client: httpx.AsyncClient, service: Accounts) -> None:
    await client.post("/session/login", json=GOOD)
    service.ended = True
    answer = await client.post("/session/refresh")
    assert (answer.status_code, cookie(answer)["max-age"], list(client.cookies)) == (401, "0", [])


async def test_a_service_that_is_away_costs_nobody_the_session(client: httpx.AsyncClient, service: Accounts) -> None:
    await client.post("/session/login", json=GOOD)
    await service.stop()
    answer = await client.post("/session/refresh", headers={"grpc-timeout": "2S"})
    assert (answer.status_code in {503, 504}, "set-cookie" in answer.headers) == (True, False)
    assert (await client.post("/session/logout", headers={"grpc-timeout": "2S"})).status_code in {503, 504}
    assert list(client.cookies) == ["firewalker_session"]


async def test_logging_out_ends_the_session_and_takes_the_cookie(client: httpx.AsyncClient, service: Accounts) -> None:
    await client.post("/session/login", json=GOOD)
    answer = await client.post("/session/logout")
    assert (answer.status_code, answer.json(), list(client.cookies)) == (200, {}, [])
    assert service.seen[1:] == ["logout token-1"]


@pytest.mark.parametrize("route", ["sign-up", "login"])
@pytest.mark.parametrize("failures", [0, 1])
async def test_who_signs_in_ends_the_session_that_the_cookie_held(
    client: httpx.AsyncClient, service: Accounts, route: str, failures: int
) -> None:
    client.cookies.set("firewalker_session", "token-7")
    service.failures = failures
    answer = await client.post(f"/session/{route}", json=GOOD)
    assert (answer.status_code, cookie(answer).value) == (200, "token-1")
    assert service.seen[1:] == ["logout token-7"]


async def test_who_cannot_sign_in_ends_nothing(client: httpx.AsyncClient, service: Accounts) -> None:
    client.cookies.set("firewalker_session", "token-7")
    answer = await client.post("/session/login", json={**GOOD, "password": "wrong"})
    assert (answer.status_code, len(service.seen), "set-cookie" in answer.headers) == (401, 1, False)


async def test_logging_out_without_a_cookie_ends_the_session_of_the_access_token(
    client: httpx.AsyncClient, service: Accounts
) -> None:
    answer = await client.post("/session/logout", headers={"authorization": "Bearer abc"})
    assert (answer.status_code, service.seen) == (200, ["logout  Bearer abc"])


@pytest.mark.parametrize(
    "headers",
    [
        {"x-firewalker-session": ""},
        {"x-firewalker-session": "0"},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:8081"},
        {"origin": "http://127.0.0.1"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("route", ["sign-up", "login", "refresh", "logout"])
async def test_no_other_page_can_use_a_session(
    client: httpx.AsyncClient, service: Accounts, route: str, headers: dict[str, str]
) -> None:
    client.cookies.set("firewalker_session", "token-1")
    body = GOOD if route in {"sign-up", "login"} else None
    answer = await client.post(f"/session/{route}", json=body, headers=headers)
    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (403, "CROSS_ORIGIN")
    assert (service.seen, "set-cookie" in answer.headers) == ([], False)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://app.example", "https://app.example"),
        ("http://app.example:443", "https://app.example"),
        ("http://App.Example", "http://app.example"),
    ],
)
async def test_its_own_page_may(app: Transcoder, url: str, origin: str) -> None:
    async with browser(app, url) as client:
        headers = {"origin": origin, "sec-fetch-site": "same-origin"}
        assert (await client.post("/session/login", json=GOOD, headers=headers)).status_code == 200


async def test_only_post_and_only_without_a_body(client: httpx.AsyncClient) -> None:
    answer = await client.get("/session/refresh")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    for route in ("refresh", "logout"):
        answer = await client.post(f"/session/{route}", json={"refreshToken": "token-1"})
        assert (answer.status_code, answer.json()["details"][0]["reason"]) == (400, "UNEXPECTED_BODY")
    assert (await client.post("/session/other")).status_code == 404


async def test_tabs_that_refresh_at_once_get_one_session(client: httpx.AsyncClient, service: Accounts) -> None:
    await client.post("/session/login", json=GOOD)
    service.gate.clear()
    tabs = [asyncio.create_task(client.post("/session/refresh")) for _ in range(5)]
    await until(lambda: len(service.seen) > 1)
    service.gate.set()
    answers = await asyncio.gather(*tabs)
    assert [answer.status_code for answer in answers] == [200] * 5
    assert {answer.json()["tokens"]["accessToken"] for answer in answers} == {"access-2"}
    assert service.seen[1:] == ["token-1"]


async def test_a_tab_that_comes_late_with_an_old_token_gets_the_newest(app: Transcoder, service: Accounts) -> None:
    async with browser(app) as client, browser(app) as late:
        await client.post("/session/login", json=GOOD)
        late.cookies.set("firewalker_session", "token-1")
        await client.post("/session/refresh")
        await client.post("/session/refresh")
        answer = await late.post("/session/refresh")
        assert (answer.status_code, cookie(answer).value) == (200, "token-3")
        assert (await client.post("/session/refresh")).status_code == 200
    assert service.seen[1:] == ["token-1", "token-2", "token-3"]


async def test_what_was_ended_does_not_come_back_from_memory(client: httpx.AsyncClient, service: Accounts) -> None:
    await client.post("/session/login", json=GOOD)
    await client.post("/session/refresh")
    await client.post("/session/logout")
    client.cookies.set("firewalker_session", "token-1")
    assert (await client.post("/session/refresh")).status_code == 401
    assert service.ended


@pytest.mark.parametrize("presented", ["token-1", "token-2", "token-3"])
async def test_nothing_of_an_ended_session_comes_back_whichever_token_it_was_ended_with(
    client: httpx.AsyncClient, service: Accounts, presented: str
) -> None:
    await client.post("/session/login", json=GOOD)
    await client.post("/session/refresh")
    await client.post("/session/refresh")
    client.cookies.clear()
    await client.post("/session/logout", headers={"cookie": f"firewalker_session={presented}"})
    for token in ("token-1", "token-2"):
        answer = await client.post("/session/refresh", headers={"cookie": f"firewalker_session={token}"})
        assert answer.status_code == 401, token
    assert service.seen[3:] == [f"logout {presented}", "token-1", "token-2"]


async def test_the_logout_of_one_user_takes_nothing_from_the_tabs_of_another(app: Transcoder) -> None:
    async with browser(app) as client, browser(app) as late, browser(app) as other:
        await client.post("/session/login", json=GOOD)
        late.cookies.set("firewalker_session", "token-1")
        await client.post("/session/refresh")
        await client.post("/session/refresh")
        other.cookies.set("firewalker_session", "token-90")
        assert (await other.post("/session/logout")).status_code == 200
        answer = await late.post("/session/refresh")
        assert (answer.status_code, cookie(answer).value) == (200, "token-3")


async def test_a_failed_refresh_is_not_shared(client: httpx.AsyncClient, service: Accounts) -> None:
    await client.post("/session/login", json=GOOD)
    service.gate.clear()
    service.failures = 1
    tabs = [asyncio.create_task(client.post("/session/refresh")) for _ in range(3)]
    await until(lambda: len(service.seen) > 1)
    service.gate.set()
    assert sorted([(await tab).status_code for tab in tabs]) == [200, 200, 500]


@pytest.mark.parametrize("name", ["library.v1.LibraryService", "accounts.v1.Nothing"])
def test_a_service_that_cannot_serve_sessions_stops_the_start(name: str) -> None:
    made = settings({"library": Address("127.0.0.1", 1)}, name)
    with pytest.raises(SchemaError, match="is to serve /session"):
        Transcoder(made, library())


async def test_without_a_service_there_are_no_such_routes(
    app_with: Callable[..., Transcoder],
) -> None:
    async with browser(app_with()) as client:
        assert (await client.post("/session/login", json=GOOD)).status_code == 404
