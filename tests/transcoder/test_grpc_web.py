"""gRPC-Web, binary and text, unary and streaming, read by a client that shares nothing with the server's code."""

from __future__ import annotations

import base64
import gzip
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from tests.support.waiting import until
from tests.transcoder.conftest import client_of
from tests.transcoder.descriptors import new
from tests.transcoder.library_server import Library
from transcoder.app import Transcoder

SERVICE = "/library.v1.LibraryService/"
BINARY = "application/grpc-web+proto"
TEXT = "application/grpc-web-text"


def framed(*messages: Any, flags: int = 0) -> bytes:
    datas = [each if isinstance(each, bytes) else each.SerializeToString() for each in messages]
    return b"".join(struct.pack(">BI", flags, len(data)) + data for data in datas)


@dataclass
class Answer:
    """What a gRPC-Web client makes of an answer."""

    messages: list[bytes]
    trailers: dict[str, str]

    @property
    def status(self) -> int:
        return int(self.trailers["grpc-status"])

    @property
    def message(self) -> str:
        return unquote(self.trailers.get("grpc-message", ""))

    @property
    def details(self) -> list[any_pb2.Any]:
        packed = self.trailers.get("grpc-status-details-bin", "")
        return list(status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4))).details)


def read(response: httpx.Response) -> Answer:
    assert response.status_code == 200, response.text
    body = response.content
    if response.headers["content-type"].startswith(TEXT):
        body = b"".join(base64.b64decode(piece) for piece in re.findall(rb"[^=]+=*", body))
    answer = Answer([], {})
    while body:
        assert not answer.trailers, "nothing may follow the trailers"
        flags, size = struct.unpack(">BI", body[:5])
        data, body = body[5 : 5 + size], body[5 + size :]
        assert len(data) == size
        if flags == 0x80:
            lines = data.decode("ascii").removesuffix("\r\n").split("\r\n")
            answer.trailers = dict(line.split(": ", 1) for line in lines)
        else:
            assert flags == 0
            answer.messages.append(data)
    assert answer.trailers
    return answer


async def call(client: httpx.AsyncClient, method: str, body: bytes, kind: str = BINARY, **headers: str) -> Answer:
    body = base64.b64encode(body) if kind.startswith(TEXT) else body
    response = await client.post(SERVICE + method, content=body, headers={"content-type": kind, **headers})
    if response.status_code == 200:
        assert response.headers["content-type"] == kind
    return read(response)


@pytest.mark.parametrize("kind", ["application/grpc-web", BINARY, TEXT, TEXT + "+proto"])
async def test_a_unary_call_is_answered_in_its_own_kind(client: httpx.AsyncClient, kind: str) -> None:
    answer = await call(client, "CreateBook", framed(new("Book", title="Emma", pages=3)), kind)
    assert (answer.status, answer.messages) == (0, [new("Book", title="Emma", pages=3).SerializeToString()])


@pytest.mark.parametrize("kind", [BINARY, TEXT])
async def test_a_stream_is_frames_and_trailers(client: httpx.AsyncClient, kind: str) -> None:
    answer = await call(client, "Watch", framed(new("WatchRequest", count=3)), kind)
    assert answer.messages == [new("Tick", number=number).SerializeToString() for number in range(3)]
    assert answer.trailers == {"grpc-status": "0"}


async def test_a_stream_arrives_while_it_lasts(serve: Callable[..., Any], backend: Library) -> None:
    served = await serve()
    body = framed(new("WatchRequest", count=2, every_ms=10, hang=True))
    async with (
        httpx.AsyncClient() as client,
        client.stream(
            "POST", served.url + SERVICE + "Watch", content=body, headers={"content-type": BINARY}
        ) as response,
    ):
        received = b""
        async for chunk in response.aiter_raw():
            received += chunk
            if received == framed(new("Tick"), new("Tick", number=1)):
                break
    await until(lambda: backend.running == 0)


@pytest.mark.parametrize("kind", [BINARY, TEXT])
@pytest.mark.parametrize("count", [0, 2])
async def test_an_error_of_a_stream_stands_in_its_trailers(client: httpx.AsyncClient, kind: str, count: int) -> None:
    answer = await call(client, "Watch", framed(new("WatchRequest", count=count, code=9)), kind)
    assert (len(answer.messages), answer.status, answer.message) == (count, 9, "no more")


@pytest.mark.parametrize("kind", [BINARY, TEXT])
async def test_an_error_has_its_message_and_its_details(client: httpx.AsyncClient, kind: str) -> None:
    status = status_pb2.Status(code=6, message="x")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="NICKNAME_TAKEN", domain="d"))
    request = new("FailRequest", code=6, message="100 % grüße\n", details=status.SerializeToString())
    answer = await call(client, "Fail", framed(request), kind)
    assert (answer.status, answer.message, answer.messages) == (6, "100 % grüße\n", [])
    info = error_details_pb2.ErrorInfo()
    assert answer.details[0].Unpack(info)
    assert info.reason == "NICKNAME_TAKEN"


async def test_a_client_stream_is_one_body(client: httpx.AsyncClient) -> None:
    answer = await call(client, "Sum", framed(*(new("SlowRequest", wait_ms=number) for number in range(4))))
    assert answer.messages == [new("Sum", count=4, total=6).SerializeToString()]


async def test_a_method_without_http_rules_is_there_too(client: httpx.AsyncClient) -> None:
    assert (await call(client, "Hidden", framed(b""))).messages == [b""]


async def test_metadata_and_deadline_travel(client: httpx.AsyncClient) -> None:
    headers = {"authorization": "Bearer t", "cookie": "no", "grpc-timeout": "20S"}
    response = await client.post(
        SERVICE + "EchoBook", content=framed(new("Book")), headers={"content-type": BINARY, **headers}
    )
    assert response.headers["etag"] == "abc"
    echo = type(new("Echo")).FromString(read(response).messages[0])
    seen = dict(each.split("=", 1) for each in echo.metadata)  # type: ignore[attr-defined]
    assert (seen["authorization"], "cookie" in seen) == ("Bearer t", False)
    assert 0 < float(seen["deadline"]) <= 20


async def test_compressed_messages_are_taken(client: httpx.AsyncClient) -> None:
    packed = gzip.compress(new("Book", title="x").SerializeToString())
    answer = await call(client, "CreateBook", framed(packed, flags=1), **{"grpc-encoding": "gzip"})
    assert answer.messages == [new("Book", title="x").SerializeToString()]
    assert (await call(client, "CreateBook", framed(packed, flags=1), **{"grpc-encoding": "br"})).status == 12


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"", 12, "MALFORMED_BODY"),
        (framed(b"", b""), 12, "MALFORMED_BODY"),
        (b"\0\0\0", 3, "MALFORMED_BODY"),
        (b"\0\0\0\0\x05x", 3, "MALFORMED_BODY"),
        (framed(b"\xff"), 3, "MALFORMED_BODY"),
        (framed(b"x", flags=1), 3, "MALFORMED_BODY"),
        (framed(b"x", flags=0x80), 3, "MALFORMED_BODY"),
        (framed(b"x" * 2000), 8, "REQUEST_TOO_LARGE"),
    ],
)
async def test_what_is_no_request_is_refused_in_the_trailers(
    app_with: Callable[..., Transcoder], body: bytes, code: int, reason: str
) -> None:
    async with client_of(app_with(max_request_bytes=1000)) as client:
        answer = await call(client, "CreateBook", body)
    info = error_details_pb2.ErrorInfo()
    assert answer.details[0].Unpack(info)
    assert (answer.status, info.reason) == (code, reason)


async def test_a_connection_whose_body_was_not_read_is_closed(serve: Callable[..., Any]) -> None:
    served = await serve(max_request_bytes=1000)
    async with httpx.AsyncClient() as client:
        url = served.url + SERVICE + "CreateBook"
        response = await client.post(url, content=b"x" * 2000, headers={"content-type": BINARY})
    assert (read(response).status, response.headers["connection"]) == (8, "close")


async def test_text_that_is_not_base64_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(SERVICE + "CreateBook", content=b"????", headers={"content-type": TEXT})
    assert read(response).status == 3


async def test_text_may_come_in_padded_pieces(client: httpx.AsyncClient) -> None:
    data = framed(new("Book", title="Emma"))
    pieces = b"".join(base64.b64encode(data[at : at + 4]) for at in range(0, len(data), 4))
    assert b"=" in pieces[:-2]
    response = await client.post(SERVICE + "CreateBook", content=pieces, headers={"content-type": TEXT})
    assert read(response).messages == [new("Book", title="Emma").SerializeToString()]


async def test_both_ways_at_once_is_unimplemented(client: httpx.AsyncClient) -> None:
    answer = await call(client, "Chat", framed(new("SlowRequest")))
    assert (answer.status, answer.messages) == (12, [])


async def test_a_missed_deadline_and_a_service_that_is_away_have_their_codes(
    client: httpx.AsyncClient, backend: Library
) -> None:
    slow = framed(new("SlowRequest", wait_ms=60_000))
    assert (await call(client, "Slow", slow, **{"grpc-timeout": "50m"})).status == 4
    await backend.stop()
    assert (await call(client, "Hidden", framed(b""))).status == 14


async def test_a_drain_ends_a_stream_with_trailers(app: Transcoder) -> None:
    app.end_streams()
    async with client_of(app) as client:
        assert (await call(client, "Watch", framed(new("WatchRequest")))).status == 14


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc-web+json", "text/plain", ""])
async def test_another_content_type_is_a_415_that_names_those_there_are(client: httpx.AsyncClient, kind: str) -> None:
    response = await client.post(SERVICE + "CreateBook", content=b"", headers={"content-type": kind} if kind else {})
    assert (response.status_code, response.json()["code"]) == (415, 3)
    assert "application/grpc-web+proto" in response.headers["accept-post"]


async def test_another_method_is_a_405(client: httpx.AsyncClient) -> None:
    response = await client.put(SERVICE + "CreateBook", content=b"")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert (await client.put(SERVICE + "ListTitles")).headers["allow"] == "GET, POST"
    assert (await client.post(SERVICE + "Nope")).status_code == 404
