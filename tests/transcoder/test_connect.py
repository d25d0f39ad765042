"""The Connect protocol: unary with JSON and protobuf, by GET, and streams; by hand here, by Connect's own client below."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.transcoder.conftest import client_of
from tests.transcoder.descriptors import new
from tests.transcoder.library_server import Library
from transcoder.app import Transcoder

SERVICE = "/library.v1.LibraryService/"
JSON = "application/json"
PROTO = "application/proto"
STREAM_JSON = "application/connect+json"
STREAM_PROTO = "application/connect+proto"


async def post(client: httpx.AsyncClient, method: str, content: bytes, kind: str, **headers: str) -> httpx.Response:
    sent = {"content-type": kind, "connect-protocol-version": "1", **headers}
    return await client.post(SERVICE + method, content=content, headers=sent)


def envelopes(*messages: bytes, flags: int = 0) -> bytes:
    return b"".join(struct.pack(">BI", flags, len(data)) + data for data in messages)


def opened(response: httpx.Response) -> tuple[list[bytes], dict[str, Any]]:
    """The messages of a stream and its last one."""
    assert response.status_code == 200, response.text
    body = response.content
    messages: list[bytes] = []
    while True:
        flags, size = struct.unpack(">BI", body[:5])
        data, body = body[5 : 5 + size], body[5 + size :]
        if flags == 2:
            assert body == b""
            return messages, json.loads(data)
        assert flags == 0
        messages.append(data)


async def test_a_unary_call_in_json(client: httpx.AsyncClient) -> None:
    response = await post(client, "CreateBook", b'{"title":"Emma","sold":"7"}', JSON)
    assert (response.status_code, response.headers["content-type"]) == (200, JSON)
    assert (response.json()["title"], response.json()["sold"], response.json()["pages"]) == ("Emma", "7", 0)


async def test_a_unary_call_in_protobuf(client: httpx.AsyncClient) -> None:
    book = new("Book", title="Emma").SerializeToString()
    response = await post(client, "CreateBook", book, PROTO)
    assert (response.status_code, response.headers["content-type"], response.content) == (200, PROTO, book)
    packed = await post(client, "CreateBook", gzip.compress(book), PROTO, **{"content-encoding": "gzip"})
    assert packed.content == book


async def test_a_method_without_side_effects_may_be_called_by_get(client: httpx.AsyncClient) -> None:
    url = SERVICE + "ListTitles?connect=v1&encoding="
    assert (await client.get(url + "json&message=%7B%7D")).json() == {"titles": ["Emma", "Kim"]}
    expected = new("Titles", titles=["Emma", "Kim"]).SerializeToString()
    response = await client.get(url + "proto&base64=1&message=")
    assert (response.content, response.headers["content-type"]) == (expected, PROTO)
    assert response.headers["cache-control"] == "no-store"
    packed = base64.urlsafe_b64encode(gzip.compress(b"{}")).decode().rstrip("=")
    assert (await client.get(url + f"json&base64=1&compression=gzip&message={packed}")).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        *("", "encoding=json", "message=%7B%7D", "encoding=xml&message=x", "encoding=json&message=x"),
        *("encoding=json&message=%7B%7D&connect=v2", "encoding=proto&base64=1&message=%2A%2A", "encoding=%zz"),
        "encoding=json&message=x&compression=gzip",
    ],
)
async def test_a_broken_get_is_an_invalid_argument(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(SERVICE + "ListTitles?" + query)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_argument")


async def test_a_method_with_side_effects_may_not_be_called_by_get(client: httpx.AsyncClient) -> None:
    response = await client.get(SERVICE + "CreateBook?encoding=json&message=%7B%7D")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_stream_may_not_be_called_by_get(client: httpx.AsyncClient) -> None:
    response = await client.get(SERVICE + "Watch?encoding=json&message=%7B%7D")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("code", "name", "http"),
    [(1, "canceled", 499), (5, "not_found", 404), (8, "resource_exhausted", 429), (14, "unavailable", 503)],
)
@pytest.mark.parametrize("kind", [JSON, PROTO])
async def test_an_error_is_connects_json(client: httpx.AsyncClient, kind: str, code: int, name: str, http: int) -> None:
    status = status_pb2.Status(code=code)
    info = error_details_pb2.ErrorInfo(reason="R", domain="d")
    status.details.add().Pack(info)
    request = new("FailRequest", code=code, message="grüße", details=status.SerializeToString())
    details = base64.b64encode(status.SerializeToString()).decode()
    as_json = json.dumps({"code": code, "message": "grüße", "details": details}).encode()
    response = await post(client, "Fail", as_json if kind == JSON else request.SerializeToString(), kind)
    assert (response.status_code, response.headers["content-type"]) == (http, JSON)
    packed = base64.b64encode(info.SerializeToString()).decode().rstrip("=")
    detail = {"type": "google.rpc.ErrorInfo", "value": packed}
    assert response.json() == {"code": name, "message": "grüße", "details": [detail]}


async def test_unauthenticated_has_its_challenge(client: httpx.AsyncClient) -> None:
    response = await post(client, "Fail", b'{"code":16}', JSON)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_wrong_field_is_named_with_a_reason(client: httpx.AsyncClient) -> None:
    response = await post(client, "CreateBook", b'{"author":{"nope":1}}', JSON)
    body = response.json()
    assert (response.status_code, body["code"]) == (400, "invalid_argument")
    bad = error_details_pb2.BadRequest.FromString(base64.b64decode(body["details"][1]["value"] + "=="))
    assert bad.field_violations[0].field == "author.nope"


async def test_a_service_that_is_away_says_when_to_try_again(client: httpx.AsyncClient, backend: Library) -> None:
    await backend.stop()
    response = await post(client, "CreateBook", b"{}", JSON)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(("kind", "request_"), [(STREAM_JSON, b'{"count":2}'), (STREAM_PROTO, b"\x08\x02")])
async def test_a_stream_is_envelopes_and_a_last_one(client: httpx.AsyncClient, kind: str, request_: bytes) -> None:
    response = await post(client, "Watch", envelopes(request_), kind)
    assert response.headers["content-type"] == kind
    messages, last = opened(response)
    if kind == STREAM_JSON:
        assert [json.loads(message)["number"] for message in messages] == [0, 1]
    else:
        assert messages == [b"", b"\x08\x01"]
    assert last == {}


@pytest.mark.parametrize("count", [0, 2])
async def test_an_error_of_a_stream_stands_in_its_last_envelope(client: httpx.AsyncClient, count: int) -> None:
    request = json.dumps({"count": count, "code": 9}).encode()
    messages, last = opened(await post(client, "Watch", envelopes(request), STREAM_JSON))
    assert len(messages) == count
    assert last == {"error": {"code": "failed_precondition", "message": "no more"}}


async def test_a_client_stream_is_one_body_of_envelopes(client: httpx.AsyncClient) -> None:
    body = envelopes(b'{"waitMs":1}', b'{"waitMs":2}')
    messages, _ = opened(await post(client, "Sum", body, STREAM_JSON))
    assert [json.loads(message) for message in messages] == [{"count": 2, "total": "3"}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "unimplemented"),
        (envelopes(b"{}", b"{}"), "unimplemented"),
        (envelopes(b"{"), "invalid_argument"),
        (envelopes(b"{}", flags=2), "invalid_argument"),
        (b"\0\0", "invalid_argument"),
    ],
)
async def test_what_is_no_request_is_refused_in_the_last_envelope(
    client: httpx.AsyncClient, body: bytes, code: str
) -> None:
    _, last = opened(await post(client, "Watch", body, STREAM_JSON))
    assert last["error"]["code"] == code


async def test_compressed_envelopes_are_taken(client: httpx.AsyncClient) -> None:
    body = envelopes(gzip.compress(b'{"count":1}'), flags=1)
    messages, _ = opened(await post(client, "Watch", body, STREAM_JSON, **{"connect-content-encoding": "gzip"}))
    assert len(messages) == 1


@pytest.mark.parametrize(("method", "kind"), [("Watch", JSON), ("CreateBook", STREAM_JSON), ("CreateBook", "x/y")])
async def test_unary_and_streaming_content_types_are_not_mixed(
    client: httpx.AsyncClient, method: str, kind: str
) -> None:
    assert (await post(client, method, b"{}", kind)).status_code == 415


@pytest.mark.parametrize(
    ("name", "value"),
    [("connect-protocol-version", "2"), ("connect-timeout-ms", "1s"), ("connect-timeout-ms", "12345678901")],
)
async def test_a_header_that_cannot_be_read_is_an_invalid_argument(
    client: httpx.AsyncClient, name: str, value: str
) -> None:
    response = await post(client, "CreateBook", b"{}", JSON, **{name: value})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_argument")


async def test_the_deadline_is_kept_and_travels(client: httpx.AsyncClient) -> None:
    response = await post(client, "Slow", b'{"waitMs":60000}', JSON, **{"connect-timeout-ms": "50"})
    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
    echo = (await post(client, "EchoBook", b"{}", JSON, **{"connect-timeout-ms": "20000"})).json()
    (deadline,) = [each for each in echo["metadata"] if each.startswith("deadline=")]
    assert 0 < float(deadline.removeprefix("deadline=")) <= 20


async def test_a_request_above_the_cap_is_resource_exhausted(app_with: Callable[..., Transcoder]) -> None:
    async with client_of(app_with(max_request_bytes=100)) as client:
        for content, headers in ((b" " * 200, {}), (gzip.compress(b" " * 200), {"content-encoding": "gzip"})):
            response = await post(client, "CreateBook", content, JSON, **headers)
            assert response.json()["code"] == "resource_exhausted"
