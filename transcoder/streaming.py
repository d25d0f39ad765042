"""Server streams as SSE, NDJSON or raw bytes: one gRPC stream onto one HTTP response.

The status line waits for the first message or error. Later errors are a last record of the stream. Each record is
sent before the next message is read, so a slow reader slows its own gRPC stream and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from transcoder.bodies import ClientGone
from transcoder.errors import Code, Headers, Problem, Reason
from transcoder.exchange import Exchange
from transcoder.statuses import Fault
from transcoder.upstream import Call

_STREAM_HEADERS: Final[Headers] = [
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


class Format(Protocol):
    """How records look on the wire. An empty result means that nothing is sent."""

    content_type: bytes
    keepalive: bytes
    cuts_on_error: bool
    """Whether an error can only be shown by cutting the connection, because the format has no record for it."""

    def record(self, json: bytes) -> bytes:
        """One message."""
        ...

    def error(self, status: bytes) -> bytes:
        """The last record of a stream that failed; *status* is ``google.rpc.Status`` as JSON."""
        ...

    def end(self, trailers: Headers) -> bytes:
        """The last record of a stream that ended well; *trailers* as the service sent them."""
        ...


class _Plain:
    """Formats that just end."""

    def end(self, trailers: Headers) -> bytes:
        """Nothing."""
        del trailers
        return b""


class Sse(_Plain):
    """``text/event-stream``: messages without an event name, then nothing or ``event: error``."""

    content_type = b"text/event-stream"
    keepalive = b": keep-alive\n\n"
    cuts_on_error = False

    def record(self, json: bytes) -> bytes:
        """One message."""
        return b"data: " + json + b"\n\n"

    def error(self, status: bytes) -> bytes:
        """The error event."""
        return b"event: error\ndata: " + status + b"\n\n"


class Ndjson(_Plain):
    """``application/x-ndjson``: a line for each message, ``{"error": ...}`` as the last one of a failed stream."""

    content_type = b"application/x-ndjson"
    keepalive = b""
    cuts_on_error = False

    def record(self, json: bytes) -> bytes:
        """One line."""
        return json + b"\n"

    def error(self, status: bytes) -> bytes:
        """The error line."""
        return b'{"error":' + status + b"}\n"


class Raw(_Plain):
    """The bytes of ``google.api.HttpBody`` messages, one after the other."""

    keepalive = b""
    cuts_on_error = True

    def __init__(self, content_type: bytes) -> None:
        self.content_type = content_type

    def record(self, json: bytes) -> bytes:
        """The bytes as they are."""
        return json

    def error(self, status: bytes) -> bytes:
        """Nothing: bytes of an unknown kind have no room for an error."""
        del status
        return b""


SSE: Final = Sse()
NDJSON: Final = Ndjson()


def format_for(accept: bytes) -> Format:
    """SSE for a client that wants ``text/event-stream`` at least as much as NDJSON, else NDJSON."""
    wishes: dict[bytes, float] = {}
    for part in accept.lower().split(b","):
        kind, _, parameters = part.strip().partition(b";")
        wishes[kind.strip()] = _quality(parameters)
    sse = wishes.get(SSE.content_type, 0.0)
    return SSE if sse > 0 and sse >= wishes.get(NDJSON.content_type, 0.0) else NDJSON


def _quality(parameters: bytes) -> float:
    for parameter in parameters.split(b";"):
        name, _, value = parameter.strip().partition(b"=")
        if name == b"q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Times of a stream, in seconds."""

    first_message_s: float
    keepalive_s: float
    send_timeout_s: float


class SlowReader(Exception):
    """The client did not read for too long; its connection is to be cut."""


class StreamAnswer:
    """One server stream on its way to one client.

    *open* starts the call and returns its first message or None; *record* turns a message into what is sent; *render*
    turns what ended the stream into a Status. *deadline* is loop time.
    """

    def __init__(
        self,
        exchange: Exchange,
        call: Call,
        form: Format,
        *,
        record: Callable[[bytes], bytes],
        render: Callable[[Fault | Problem], bytes],
        limits: StreamLimits,
        deadline: float,
    ) -> None:
        self._exchange = exchange
        self._call = call
        self._form = form
        self._record = record
        self._render = render
        self._limits = limits
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()

    async def run(self, opening: asyncio.Task[bytes | None], headers: Callable[[], Headers]) -> None:
        """Answer with the stream whose first message *opening* waits for.

        Raises:
            Fault: The service ended the stream with an error before its first message.
            Problem: The same, by the transcoder.
            ClientGone: The client went away.
            SlowReader: The client did not read.
        """
        await asyncio.wait({opening}, timeout=self._within(self._limits.first_message_s))
        if opening.done():
            data = opening.result()
            if data is None:
                await self._call.finish()
            await self._begin(headers())
        elif self._loop.time() >= self._deadline:
            raise _too_long()
        else:
            await self._begin(headers())
        if self._exchange.is_head:
            await self._send(b"", more=False)
            return
        try:
            trailers = await self._pass_on(opening)
        except (Fault, Problem) as error:
            self._exchange.code = error.code
            if self._form.cuts_on_error:
                await self._exchange.cut()
                return
            await self._send(self._form.error(self._render(error)), more=False)
        else:
            await self._send(self._form.end(trailers), more=False)

    async def _pass_on(self, opening: asyncio.Task[bytes | None]) -> Headers:
        while not opening.done():
            await asyncio.wait({opening}, timeout=self._within(self._limits.keepalive_s))
            if not opening.done():
                await self._keep_alive()
        data = opening.result()
        while data is not None:
            self._exchange.messages += 1
            await self._send(self._form.record(self._record(data)))
            data = await self._next()
        return await self._call.finish()

    async def _next(self) -> bytes | None:
        while True:
            try:
                async with asyncio.timeout(self._within(self._limits.keepalive_s)):
                    return await self._call.message()
            except TimeoutError:
                await self._keep_alive()

    async def _keep_alive(self) -> None:
        if self._loop.time() >= self._deadline:
            raise _too_long()
        if self._form.keepalive:
            await self._send(self._form.keepalive)

    async def _begin(self, headers: Headers) -> None:
        kind = [(b"content-type", self._form.content_type)]
        await self._exchange.start(200, [*kind, *_STREAM_HEADERS, *headers])

    async def _send(self, data: bytes, *, more: bool = True) -> None:
        if more and not data:
            return
        try:
            async with asyncio.timeout(self._limits.send_timeout_s):
                await self._exchange.chunk(data, more=more)
        except TimeoutError:
            raise SlowReader from None
        except OSError as error:
            raise ClientGone from error

    def _within(self, seconds: float) -> float:
        return max(0.0, min(seconds, self._deadline - self._loop.time()))


def _too_long() -> Problem:
    return Problem(Code.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED, "The stream has reached its longest age.")
