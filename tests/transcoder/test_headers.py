"""Headers that travel on and come back, and deadlines."""

from __future__ import annotations

import httpx
import pytest

from tests.transcoder.answers import field, reason
from tests.transcoder.library_server import Library


async def test_only_allowed_headers_travel_on(client: httpx.AsyncClient) -> None:
    headers = {
        "authorization": "Bearer t",
        "idempotency-key": "k",
        "x-request-id": "abc-1",
        "x-forwarded-for": "198.51.100.1",
        "cookie": "secret=1",
        "x-other": "1",
        "grpc-trace-bin": "AQ",
    }
    response = await client.get("/v1/echo", headers=headers)
    seen = [each for each in response.json()["metadata"] if not each.startswith("deadline=")]
    assert sorted(seen) == [
        "authorization=Bearer t",
        "idempotency-key=k",
        "x-forwarded-for=198.51.100.1, 192.0.2.7",
        "x-request-id=abc-1",
    ]


async def test_only_allowed_metadata_comes_back(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/echo")
    assert response.headers["etag"] == "abc"
    assert not {"x-secret", "thing-bin"} & set(response.headers)
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("given", ["", "a b", "x" * 200, "é".encode().decode("latin-1")])
async def test_an_implausible_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get("/v1/nope", headers=[(b"x-request-id", given.encode("latin-1"))])
    assert len(response.headers["x-request-id"]) == 32


async def test_a_header_that_grpc_cannot_carry_is_a_400(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/echo", headers=[(b"authorization", b"Bearer \xe9")])
    assert (response.status_code, reason(response), field(response)) == (400, "INVALID_HEADER", "authorization")


@pytest.mark.parametrize("given", ["5", "5s", "123456789S", "-1S", "1.5S", "S", "5 S", "\xd9\xa1S"])
async def test_a_broken_grpc_timeout_is_a_400(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get("/v1/echo", headers=[(b"grpc-timeout", given.encode("latin-1"))])
    assert (response.status_code, reason(response)) == (400, "INVALID_HEADER")


@pytest.mark.parametrize(("given", "least", "most"), [("20S", 10, 20), ("99999999H", 20, 30), (None, 0, 10)])
async def test_the_deadline_travels_on_capped(
    client: httpx.AsyncClient, given: str | None, least: float, most: float
) -> None:
    response = await client.get("/v1/echo", headers={} if given is None else {"grpc-timeout": given})
    (deadline,) = [each for each in response.json()["metadata"] if each.startswith("deadline=")]
    assert least < float(deadline.removeprefix("deadline=")) <= most


async def test_a_missed_deadline_is_a_504_and_cancels_the_call(client: httpx.AsyncClient, backend: Library) -> None:
    response = await client.get("/v1/slow?wait_ms=5000", headers={"grpc-timeout": "100m"})
    assert (response.status_code, response.json()["code"]) == (504, 4)
    assert (await client.get("/v1/slow", headers={"grpc-timeout": "0S"})).status_code == 504
    await backend.cancelled.wait()
