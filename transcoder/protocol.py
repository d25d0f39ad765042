"""uvicorn's HTTP/1.1 protocol with the limits it lacks: size and time of headers, connections, errors as JSON."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from transcoder.config import Settings
from transcoder.errors import Code, Problem, Reason


class _HeadersTooLarge(Exception):
    """Stops the parser; the answer is 431."""


class _OneWrite(asyncio.Transport):
    """A transport that sends what is written in one turn of the loop at once: headers and body are one packet."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep *data* for the end of this turn."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        """Close after what has been written is sent."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._pieces.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closing."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the real transport knows."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection over."""
        self._transport.set_protocol(protocol)

    def _flush(self) -> None:
        if self._pieces:
            data, self._pieces = b"".join(self._pieces), []
            self._transport.write(data)


class LimitedProtocol(HttpToolsProtocol):
    """One HTTP connection. Use :func:`limited` to bind it to a configuration."""

    limits: ClassVar[Settings]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_headers = True
        self._unparsed = 0
        self._parsed = 0
        self._timer: asyncio.TimerHandle | None = None
        self._problem: Problem | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn itself
        """Take the connection, or refuse it when there are too many."""
        super().connection_made(transport)
        self.transport = _OneWrite(transport, self.loop)
        self.app_state = {**self.app_state, "abort": transport.abort}
        if len(self.connections) > self.limits.max_connections:
            self._problem = Problem(
                Code.UNAVAILABLE, Reason.OVERLOADED, "Too many connections are open.", retry_after_s=1
            )
            self.send_400_response("")
            return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; a request line and headers that do not end within the limits are refused."""
        if self.transport.is_closing():
            return
        if self._in_headers:
            self._unparsed += len(data)
            self._start_timer()
        super().data_received(data)
        if self._in_headers and self._unparsed > self.limits.max_header_bytes and not self.transport.is_closing():
            self._problem = _too_large(self.limits.max_header_bytes)
            self.send_400_response("")

    def on_url(self, url: bytes) -> None:
        """Count a piece of the request line."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """The request can begin."""
        self._in_headers = False
        self._unparsed = self._parsed = 0
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes next are headers again."""
        super().on_message_complete()
        self._in_headers = True

    def send_400_response(self, msg: str) -> None:
        """Answer what never became a request, as Status JSON, and close."""
        problem = self._problem or Problem(
            Code.INVALID_ARGUMENT, Reason.MALFORMED_HTTP, msg or "This is not a valid HTTP request."
        )
        body = problem.body(self.limits.error_domain)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *problem.response_headers(),
        ]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[problem.http] + lines + b"\r\n" + body)
        self.transport.close()

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > self.limits.max_header_bytes:
            self._problem = _too_large(self.limits.max_header_bytes)
            raise _HeadersTooLarge

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.limits.request_timeout_s, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()


def limited(settings: Settings) -> type[LimitedProtocol]:
    """The protocol with the limits of one configuration."""

    class Bound(LimitedProtocol):
        limits = settings

    return Bound


def _too_large(limit: int) -> Problem:
    return Problem(
        Code.RESOURCE_EXHAUSTED,
        Reason.HEADERS_TOO_LARGE,
        f"Request line and headers may have at most {limit} bytes.",
        http=431,
    )
