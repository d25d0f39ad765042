"""Errors: a service's status re-rendered, and the transcoder's own."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from tests.transcoder.conftest import client_of
from tests.transcoder.descriptors import library
from tests.transcoder.library_server import Library
from transcoder.app import Transcoder
from transcoder.errors import HTTP_STATUS, Code
from transcoder.fieldpaths import json_path
from transcoder.statuses import Fault, FaultRenderer


async def fail(client: httpx.AsyncClient, code: int, *details: Any, raw: bytes | None = None) -> httpx.Response:
    status = status_pb2.Status(code=code, message="m")
    for detail in details:
        if isinstance(detail, any_pb2.Any):
            status.details.append(detail)
        else:
            status.details.add().Pack(detail)
    packed = status.SerializeToString() if raw is None else raw
    body = {"code": code, "message": "grüße\n", "details": base64.b64encode(packed if details or raw else b"").decode()}
    return await client.post("/v1/fail", json=body)


@pytest.mark.parametrize("code", list(Code)[1:])
async def test_each_grpc_code_has_its_http_status(client: httpx.AsyncClient, code: Code) -> None:
    response = await fail(client, code)
    assert response.status_code == HTTP_STATUS[code]
    assert response.json() == {"code": code, "message": "grüße\n", "details": []}
    assert response.headers["content-type"] == "application/json"


async def test_details_are_rendered_with_their_types(client: httpx.AsyncClient) -> None:
    info = error_details_pb2.ErrorInfo(reason="NICKNAME_TAKEN", domain="firewalker", metadata={"a": "b"})
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="title", description="required")
    details = (await fail(client, 3, info, bad)).json()["details"]
    assert details[0] == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "NICKNAME_TAKEN",
        "domain": "firewalker",
        "metadata": {"a": "b"},
    }
    violation = details[1]["fieldViolations"][0]
    assert (violation["field"], violation["description"]) == ("title", "required")


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("message", "message"),
        ("page_size", "pageSize"),
        ("readings[3].device_id", "readings[3].deviceId"),
        ("ratings[some_key].x_y", "ratings[some_key].xY"),
        ("deviceId", "deviceId"),
        ("", ""),
        ("not a path_at_all!", "not a path_at_all!"),
    ],
)
async def test_fields_that_services_name_are_shown_in_json_names(
    client: httpx.AsyncClient, field: str, shown: str
) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field=field, description="page_size is bad", reason="TOO_BIG")
    bad.field_violations.add(field=field)
    info = error_details_pb2.ErrorInfo(metadata={"page_size": "page_size"})
    details = (await fail(client, 3, bad, info)).json()["details"]
    assert details[0]["fieldViolations"] == [
        {"field": shown, "description": "page_size is bad", "reason": "TOO_BIG"},
        {"field": shown, "description": "", "reason": ""},
    ]
    assert details[1]["metadata"] == {"page_size": "page_size"}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("page_size: is bad (and 1 more)", "pageSize: is bad (and 1 more)"),
        ("page_size is bad", "page_size is bad"),
        ("page_sizes: are bad", "page_sizes: are bad"),
        ("Of page_size: is bad", "Of page_size: is bad"),
    ],
)
def test_a_field_that_a_message_begins_with_is_shown_in_json_names_too(message: str, shown: str) -> None:
    bad = error_details_pb2.BadRequest(field_violations=[{"field": "page_size"}, {"field": "x_y"}, {"field": ""}])
    status = status_pb2.Status(code=3, message=message)
    status.details.add().Pack(bad)
    packed = base64.b64encode(status.SerializeToString())
    rendered = FaultRenderer(library()).render(Fault(Code.INVALID_ARGUMENT, message, packed))
    assert json.loads(rendered.body)["message"] == shown


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("renamed", "otherName"),
        ("author.home_town", "author.homeTown"),
        ("readers[0].mentor.home_town", "readers[0].mentor.homeTown"),
        ("editions[a.b].home_town", "editions[a.b].homeTown"),
        ("extra.some_key.x_y", "extra.some_key.x_y"),
        ("no_such.home_town", "noSuch.homeTown"),
    ],
)
def test_json_names_are_those_of_the_request(path: str, shown: str) -> None:
    assert json_path(path, library().pool.FindMessageTypeByName("library.v1.Book")) == shown


async def test_details_of_every_length_survive_missing_padding(client: httpx.AsyncClient) -> None:
    for length in range(1, 7):
        info = error_details_pb2.ErrorInfo(reason="R" * length)
        assert (await fail(client, 9, info)).json()["details"][0]["reason"] == "R" * length


async def test_retry_info_becomes_retry_after_rounded_up(client: httpx.AsyncClient) -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2, nanos=1))
    response = await fail(client, 8, retry)
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    assert response.json()["details"][0]["retryDelay"] == "2.000000001s"


async def test_an_unknown_or_broken_detail_does_not_fail_the_error(client: httpx.AsyncClient) -> None:
    unknown = any_pb2.Any(type_url="type.googleapis.com/no.Such", value=b"\x01")
    broken = any_pb2.Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")
    known = error_details_pb2.ErrorInfo(reason="R")
    details = (await fail(client, 5, unknown, broken, known)).json()["details"]
    assert details[0] == {"@type": "type.googleapis.com/no.Such", "value": "AQ=="}
    assert details[1] == {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "value": "/w=="}
    assert details[2]["reason"] == "R"


async def test_broken_details_leave_code_and_message(client: httpx.AsyncClient) -> None:
    response = await fail(client, 5, raw=b"\xff\xff\xff")
    assert (response.status_code, response.json()["details"]) == (404, [])


async def test_unauthenticated_comes_with_a_real_challenge(client: httpx.AsyncClient) -> None:
    body = {"code": 16, "message": "secret"}
    response = await client.post("/v1/fail", json=body)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    response = await client.post("/v1/fail", json=body, headers={"authorization": "Bearer x"})
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_every_answer_carries_the_request_id(client: httpx.AsyncClient) -> None:
    for url in ("/v1/titles", "/v1/nope", "/v1/ticks:watch?count=1"):
        response = await client.get(url, headers={"x-request-id": "id-1"})
        assert response.headers["x-request-id"] == "id-1"


@pytest.mark.requirement("PRIV-04")
async def test_a_bug_is_an_internal_error_with_the_request_id_and_nothing_else(
    app: Transcoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any) -> bytes:
        raise RuntimeError("secret host name")

    monkeypatch.setattr(app._rest._reader, "read", explode)
    async with client_of(app) as client:
        response = await client.get("/v1/titles")
    assert (response.status_code, response.json()["code"]) == (500, 13)
    assert response.headers["x-request-id"] in response.json()["message"]
    assert "secret" not in response.text


async def test_healthz_is_alive_whatever_the_services_do(client: httpx.AsyncClient, backend: Library) -> None:
    await backend.stop()
    assert (await client.get("/healthz")).status_code == 200


async def test_readyz_asks_whether_every_service_answers(client: httpx.AsyncClient, backend: Library) -> None:
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "SERVING", "backends": {"library": "SERVING"}})
    # It drains, and another of its processes does not: calls are answered by both.
    backend.serving = False
    leaving = await client.get("/readyz")
    assert (leaving.status_code, leaving.json()) == (
        200,
        {"status": "DEGRADED", "backends": {"library": "NOT_SERVING"}},
    )
    await backend.stop()
    gone = await client.get("/readyz")
    assert (gone.status_code, gone.json()) == (503, {"status": "NOT_SERVING", "backends": {"library": "UNREACHABLE"}})


async def test_readyz_is_503_while_draining(app: Transcoder) -> None:
    app.stop_accepting()
    async with client_of(app) as client:
        response = await client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "DRAINING")
