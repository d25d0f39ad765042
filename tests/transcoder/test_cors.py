"""Pages of other origins, as far as the configuration lets them."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.transcoder.conftest import client_of
from transcoder.app import Transcoder
from transcoder.config import ConfigError, Settings

PAGE = "https://app.example"
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "PATCH",
    "access-control-request-headers": "content-type, authorization, connect-protocol-version, x-grpc-web, idempotency-key",
}


async def preflight(client: httpx.AsyncClient, **changes: str) -> httpx.Response:
    return await client.options("/v1/books/a", headers={**PREFLIGHT, **changes})


async def test_without_configuration_no_other_origin_may_read(client: httpx.AsyncClient) -> None:
    assert (await preflight(client)).status_code == 405
    response = await client.get("/v1/titles", headers={"origin": PAGE})
    assert "access-control-allow-origin" not in response.headers


async def test_a_configured_origin_may_call_and_read(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(cors_origins=(PAGE, "http://localhost:5173"))) as client:
        asked = await preflight(client)
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, PAGE)
        assert "PATCH" in asked.headers["access-control-allow-methods"]
        assert asked.headers["access-control-max-age"] == "7200"
        assert "access-control-allow-credentials" not in asked.headers
        for url, status in (("/v1/titles", 200), ("/v1/nope", 404), ("/library.v1.LibraryService/Chat", 405)):
            response = await client.get(url, headers={"origin": PAGE})
            assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, PAGE)
            exposed = response.headers["access-control-expose-headers"].split(", ")
            assert {"grpc-status", "grpc-message", "x-request-id", "retry-after", "etag"} <= set(exposed)
            assert response.headers["vary"] == "Origin"


async def test_an_origin_that_is_not_configured_may_not(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(cors_origins=(PAGE,))) as client:
        for origin in ("https://evil.example", PAGE + ".evil.example", "http://app.example", "null"):
            assert (await preflight(client, origin=origin)).status_code == 400
            response = await client.get("/v1/titles", headers={"origin": origin})
            assert "access-control-allow-origin" not in response.headers


async def test_a_header_that_has_no_meaning_here_may_not_be_sent(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(cors_origins=(PAGE,))) as client:
        assert (await preflight(client, **{"access-control-request-headers": "x-other"})).status_code == 400


async def test_any_origin_can_be_allowed(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(cors_origins=("*",))) as client:
        response = await client.get("/v1/titles", headers={"origin": "https://any.example"})
        assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "origin", ["app.example", "https://app.example/", "https://app.example/path", "ftp://x", "null"]
)
def test_what_is_no_origin_stops_the_start(origin: str) -> None:
    prefix = "FIREWALKER_TRANSCODER_"
    with pytest.raises(ConfigError, match="CORS_ORIGINS"):
        Settings.from_environment(
            {
                prefix + "DESCRIPTOR_SET": "x",
                prefix + "BACKENDS": "a=b:1",
                prefix + "CORS_ORIGINS": origin,
            }
        )
