"""Whatever arrives is answered, and never with a 500: random requests, half of them near what some rule wants.

`RANDOM_REQUESTS=10000` makes the run longer; the suite keeps it short.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transcoder.descriptors import library, new
from transcoder.app import Transcoder

REQUESTS = int(os.environ.get("RANDOM_REQUESTS", "600"))
SERVICE = "/library.v1.LibraryService/"

_BOOK = new("Book").DESCRIPTOR
_NAMES = [each for field in _BOOK.fields for each in (field.name, field.json_name)]
_RPCS = [method.name for method in library().pool.FindServiceByName("library.v1.LibraryService").methods]
_RPCS.remove("Fail")  # it answers with any status it is asked for
_ROUTES = [
    *("/v1/books", "/v1/echo", "/v1/titles", "/v1/orders", "/v1/sum", "/v1/picture", "/v1/find", "/v1/chat"),
    *("/v1/books/{}", "/v1/books/{}:rate", "/v1/files/{}/{}", "/v1/shelves/{}/books/{}", "/v1/orders/{}"),
    "/v1/echo/{}/{}/{}/{}:typed",
]

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)
_RAW = st.binary(max_size=40)
_PIECE = _RAW.map(lambda raw: raw.translate(None, b"?/ \r\n#")) | st.sampled_from(
    [b"a", b"5", b"true", b"RED", b"%2F", b"%zz", b"%ff", b"a:b", b"2026-01-01T00:00:00Z"]
)


@st.composite
def paths(draw: st.DrawFn) -> bytes:
    route = draw(st.sampled_from(_ROUTES) | st.sampled_from(_RPCS).map(lambda name: SERVICE + name))
    pieces = route.encode().split(b"{}")
    return b"".join(piece + (draw(_PIECE) if at < len(pieces) - 1 else b"") for at, piece in enumerate(pieces))


_PAIR = st.tuples(st.sampled_from(_NAMES).map(str.encode) | _RAW, _PIECE).map(b"=".join)
_KINDS = [
    *(b"application/json", b"application/x-ndjson", b"application/grpc-web", b"application/grpc-web-text"),
    *(b"application/proto", b"application/connect+json", b"application/connect+proto", b"text/plain", b""),
]
_HEADER = st.sampled_from(
    [
        *((b"accept", b"text/event-stream"), (b"idempotency-key", b"k"), (b"grpc-timeout", b"1S"), (b"x", b"y")),
        *((b"content-encoding", b"gzip"), (b"grpc-encoding", b"gzip"), (b"connect-timeout-ms", b"x")),
        *((b"authorization", b"\xff"), (b"x-request-id", b"\n"), (b"origin", b"https://a"), (b"grpc-timeout", b"z")),
    ]
)


def _enveloped(data: bytes) -> bytes:
    return b"\0" + len(data).to_bytes(4, "big") + data


_BODY = (
    _RAW
    | _JSON.map(lambda value: json.dumps(value).encode())
    | _JSON.map(lambda value: _enveloped(json.dumps(value).encode()))
    | _RAW.map(_enveloped)
)


async def ask(
    app: Transcoder, method: str, target: tuple[bytes, bytes], headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, bytes]:
    """One request, straight into the application."""
    path, query = target
    sent: list[dict[str, Any]] = []
    events = [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        return events.pop() if events else await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(event: Any) -> None:
        sent.append(event)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path.decode("latin-1"), "raw_path": path}
    scope |= {"query_string": query, "headers": [*headers, (b"content-length", b"%d" % len(body))]}
    scope |= {"client": ("127.0.0.1", 1), "state": {}}
    await app(
        scope,
        receive,
        send,
    )
    return sent[0]["status"], b"".join(event.get("body", b"") for event in sent[1:])


async def test_random_requests_are_never_a_500(app_with: Callable[..., Transcoder]) -> None:
    app = app_with(max_timeout_s=1, default_timeout_s=1)
    seen: dict[int, int] = {}

    @settings(
        max_examples=REQUESTS, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(
        method=st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "PURGE", "OPTIONS"]),
        path=paths(),
        query=st.lists(_PAIR, max_size=3).map(b"&".join),
        kind=st.sampled_from(_KINDS),
        headers=st.lists(_HEADER, max_size=3),
        body=_BODY,
    )
    async def one(**drawn: Any) -> None:
        method, headers = drawn["method"], [(b"content-type", drawn["kind"]), *drawn["headers"]]
        target = drawn["path"], drawn["query"]
        status, answer = await asyncio.wait_for(ask(app, method, target, headers, drawn["body"]), 60)
        seen[status] = seen.get(status, 0) + 1
        assert status < 500 or status in {501, 504}, answer
        if status >= 400 and method != "HEAD":
            json.loads(answer)

    await one_by_one(one)
    assert {200, 400, 404, 405, 415} <= set(seen), seen


async def one_by_one(test: Any) -> None:
    """Run a hypothesis test of coroutines on this loop: hypothesis itself runs in a thread and hands each one over."""
    loop = asyncio.get_running_loop()
    inner = test.hypothesis.inner_test

    def run(**drawn: Any) -> None:
        asyncio.run_coroutine_threadsafe(inner(**drawn), loop).result(10)

    test.hypothesis.inner_test = run
    await asyncio.to_thread(test)
