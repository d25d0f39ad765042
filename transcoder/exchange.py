"""One HTTP request and its answer: what is known of it, and the ways to answer. What to answer is decided elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from transcoder.bodies import ClientGone, Receive
from transcoder.errors import Code, Headers
from transcoder.metadata import REQUEST_ID, request_id
from transcoder.upstream import Call

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON_HEADERS: Final[Headers] = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]

NO_STORE: Final = (b"cache-control", b"no-store")
"""For every answer whose service says nothing else: answers belong to one user."""

_UNWATCHED_S: Final = 0.02
"""A call shorter than this is not watched for its client going away: most are, and watching costs a task."""


class Exchange:
    """One request. *status* is 0 until the answer has begun; *added* are headers that it gets whatever it will be."""

    __slots__ = (
        *(
            "added",
            "as_written",
            "client",
            "code",
            "headers",
            "input",
            "is_head",
            "messages",
            "method",
            "raw_path",
            "receive",
            "request_id",
        ),
        *("route", "rpc", "send", "sent_bytes", "started", "state", "status"),
    )

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            headers[name] = headers[name] + b", " + value if name in headers else value
        client = scope.get("client")
        self.started = perf_counter()
        self.method: str = scope["method"]
        self.is_head = self.method == "HEAD"
        self.raw_path: bytes = scope.get("raw_path") or b"/"
        self.headers = headers
        self.client: str = client[0] if client else "unknown"
        self.request_id = request_id(headers)
        self.receive = receive
        self.send = send
        self.state: dict[str, Any] = scope.get("state") or {}
        self.added: Headers = []
        self.rpc = ""
        self.route = ""
        self.input: Descriptor | None = None
        self.as_written: Callable[[str], str] = str
        self.status = 0
        self.code = 0
        self.messages = 0
        self.sent_bytes = 0

    def found(self, rpc: str, route: str, request: Descriptor, as_written: Callable[[str], str] = str) -> None:
        """Note what the request is for: the RPC, the template that led to it, the type of its request.

        *as_written* names fields of the request as this client does.
        """
        self.rpc = rpc
        self.route = route
        self.input = request
        self.as_written = as_written

    def challenged(self, code: Code, headers: Headers) -> Headers:
        """*headers* of an error, with a challenge where *code* is UNAUTHENTICATED (RFC 6750).

        It says what to present, and whether what was presented did not do.
        """
        if code is not Code.UNAUTHENTICATED:
            return headers
        presented = b"authorization" in self.headers
        return [*headers, (b"www-authenticate", b'Bearer error="invalid_token"' if presented else b"Bearer")]

    async def start(self, status: int, headers: Headers) -> None:
        """Send the status line and headers; the request id is added."""
        self.status = status
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, *self.added, (REQUEST_ID, self.request_id)],
            }
        )

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer. For HEAD the body stays away but is counted in ``content-length``."""
        await self.start(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.send({"type": "http.response.body", "body": b"" if self.is_head else body})
        self.sent_bytes += len(body)

    async def chunk(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece of a streamed body; waits while the client does not read."""
        await self.send({"type": "http.response.body", "body": data, "more_body": more})
        self.sent_bytes += len(data)

    async def cut(self) -> None:
        """Drop the connection without a proper end, so that the client cannot take the body for whole."""
        abort = self.state.get("abort")
        if abort is not None:
            abort()
            await asyncio.sleep(0)  # lets the server see the end before we return to it

    @contextmanager
    def watched(self, call: Call) -> Iterator[None]:
        """While this lasts, a client that goes away ends *call* with :class:`ClientGone`."""
        watcher: asyncio.Task[None] | None = None

        def watch() -> None:
            nonlocal watcher
            watcher = asyncio.create_task(self._fail_when_gone(call))

        timer = asyncio.get_running_loop().call_later(_UNWATCHED_S, watch)
        try:
            yield
        finally:
            timer.cancel()
            if watcher is not None:
                watcher.cancel()

    async def _fail_when_gone(self, call: Call) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        call.fail(ClientGone())
