"""Sizes and depths that requests and answers may have."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx

from tests.transcoder.answers import reason
from tests.transcoder.conftest import client_of
from transcoder.app import Transcoder

JSON = {"content-type": "application/json"}


async def test_a_gzip_body_is_decoded_under_the_size_cap(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(max_request_bytes=1000)) as client:

        async def post(body: bytes, encoding: str = "gzip") -> httpx.Response:
            return await client.post("/v1/books", content=body, headers={**JSON, "content-encoding": encoding})

        packed = gzip.compress(b'{"title":"x"}')
        assert (await post(packed)).json()["title"] == "x"
        bomb = await post(gzip.compress(b'{"title":"' + b"x" * 100_000 + b'"}'))
        assert (bomb.status_code, reason(bomb)) == (413, "REQUEST_TOO_LARGE")
        for broken in (packed[:-4], packed + b"x", b"{}", b"\x1f\x8b"):
            response = await post(broken)
            assert (response.status_code, reason(response)) == (400, "MALFORMED_BODY")
        other = await post(b"x", "br")
        assert (other.status_code, other.headers["accept-encoding"]) == (415, "gzip")


async def test_a_request_above_the_cap_is_a_413(app_with: Callable[..., Transcoder]) -> None:
    async def chunks() -> Any:
        for _ in range(100):
            yield b" " * 50

    async with client_of(app_with(max_request_bytes=1000)) as client:
        for content in (b" " * 1001, chunks()):
            response = await client.post("/v1/books", content=content, headers=JSON)
            assert (response.status_code, reason(response), response.json()["code"]) == (413, "REQUEST_TOO_LARGE", 8)
        assert (await client.post("/v1/books", content=b" " * 1000, headers=JSON)).status_code == 200


async def test_an_answer_above_the_cap_is_resource_exhausted(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(max_response_bytes=1000)) as client:
        response = await client.post("/v1/books", json={"title": "x" * 1000})
        assert (reason(response), response.json()["code"]) == ("RESPONSE_TOO_LARGE", 8)
        assert (await client.post("/v1/books", json={"title": "x"})).status_code == 200


async def test_large_messages_pass_both_ways(client: httpx.AsyncClient) -> None:
    title = "x" * 1_000_000
    assert (await client.post("/v1/books", json={"title": title})).json()["title"] == title


async def test_json_nested_deeper_than_64_is_a_400(client: httpx.AsyncClient) -> None:
    deep = b'{"author":' + b'{"mentor":' * 64 + b"{}" + b"}" * 65
    response = await client.post("/v1/books", content=deep, headers=JSON)
    assert (response.status_code, reason(response)) == (400, "MALFORMED_JSON")


async def test_json_too_deep_for_protobuf_is_a_400(client: httpx.AsyncClient) -> None:
    value: Any = 1
    for _ in range(50):
        value = {"a": value}
    response = await client.post("/v1/books", json={"extra": value})
    assert (response.status_code, reason(response)) == (400, "INVALID_FIELD")


async def test_hostile_names_are_quoted_back_short_and_valid(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/books", content=b'{"\\ud800' + b"x" * 100_000 + b'":1}', headers=JSON)
    assert response.status_code == 400
    assert len(response.content) < 2000
    json.loads(response.content)
