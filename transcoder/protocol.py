"""uvicorn's HTTP/1.1 protocol with the limits it lacks: size and time of headers, requests parsed ahead, connections.

What leaves is in :mod:`transcoder.outlet`, where requests end in :mod:`transcoder.framing`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, ClassVar, Final

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from transcoder.config import Settings
from transcoder.errors import Code, Problem, Reason
from transcoder.framing import Framing, Unacceptable, origin_form
from transcoder.outlet import Outlet

_MOST_UNANSWERED: Final = 8
"""Requests of one connection that are parsed and not answered. No more is read before one of them is."""

_PIECES_A_TURN: Final = 32
"""Pieces of input that are parsed before other connections get their turn."""

_READ_BYTES: Final = 65_536
"""What one read takes, and so the most that waits unparsed on a connection. asyncio's own is four times that."""


class _HeadersTooLarge(Exception):
    """Stops the parser; the answer is 431."""


class _Intake(FlowControl):
    """uvicorn's flow control, which wants to read again after every answer, held back while unparsed input waits."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._held = False

    def hold(self) -> None:
        """Read nothing until :meth:`release`."""
        self._held = True
        self.pause_reading()

    def release(self) -> None:
        """Read again."""
        if self._held:
            self._held = False
            self.resume_reading()

    def resume_reading(self) -> None:
        """Read again, unless held."""
        if not self._held:
            super().resume_reading()


class LimitedProtocol(HttpToolsProtocol):
    """One HTTP connection. Use :func:`limited` to bind it to a configuration."""

    limits: ClassVar[Settings]
    flow: _Intake
    transport: Outlet

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._framing = Framing()
        self._hosts: list[bytes] = []
        self._known_hosts = [b"?"]  # those of the request before, which were in order; at first of none
        self._body_bytes = 0
        self._rest = b""
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._ending = False
        self._in_headers = True
        self._unparsed = 0
        self._parsed = 0
        self._timer: asyncio.TimerHandle | None = None
        self._problem: Problem | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn itself
        """Take the connection, or refuse it when there are too many."""
        super().connection_made(transport)
        transport.max_size = _READ_BYTES  # type: ignore[attr-defined] # asyncio's size of a read, not in typeshed
        self.flow = _Intake(transport)
        self.transport = Outlet(transport, self.loop, self.limits.stream_send_timeout_s)
        self.app_state = {**self.app_state, "abort": transport.abort}
        if len(self.connections) > self.limits.max_connections:
            self._refuse(
                Problem(Code.UNAVAILABLE, Reason.OVERLOADED, "Too many connections are open.", retry_after_s=1)
            )
            return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell all its requests: uvicorn tells the last one only."""
        self._stop_timer()
        self._rest = b""
        self.transport.forget()
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Finish the requests that are there and take no more."""
        self._ending = True
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Parse; a request line and headers that do not end within the limits are refused."""
        self._unset_keepalive_if_required()
        self._take(self._rest + data if self._rest else data)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._hosts = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Count a piece of the request line."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        super().on_header(name, value)
        self._count(len(name) + len(value))
        lowered = self.headers[-1][0]
        if lowered == b"host":
            self._hosts.append(value)  # RFC 9112, 3.2: there must be one
        elif lowered == b"content-length":
            self._body_bytes = int(value)

    def on_headers_complete(self) -> None:
        """The request can begin."""
        self._framing.head_ended(self._body_bytes)
        if not self._hosts or self._hosts != self._known_hosts or not self.url.startswith(b"/"):
            self.url = origin_form(self.url, self._hosts, self.parser.get_http_version())
            self._known_hosts = self._hosts
        self._in_headers = False
        self._unparsed = self._parsed = 0
        self._stop_timer()
        super().on_headers_complete()
        self._unanswered.append(self.cycle)
        if not self.cycle.keep_alive:
            self._ending = True

    def on_message_complete(self) -> None:
        """What comes next are headers again."""
        super().on_message_complete()
        self._in_headers = True
        self._framing.ended()

    def on_response_complete(self) -> None:
        """Go on with what waits: the next request, unparsed input, or a refusal that had to wait its turn."""
        if self._unanswered:  # else it is the answer to a request that was refused in the middle of its body
            self._unanswered.popleft()
        super().on_response_complete()
        if self._problem is not None and not self._unanswered:
            self._send_refusal(self._problem)
        elif self._rest:
            self._unset_keepalive_if_required()
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        data, self._rest = self._rest, b""
        if data:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Parse *data* request by request, as far as the limits allow; the rest waits and nothing more is read."""
        self._rest = b""
        start = 0
        for _ in range(_PIECES_A_TURN):
            if start == len(data):
                self.flow.release()
                return
            fresh = not self._framing.begun
            if self.transport.is_closing() or self._problem is not None or (fresh and self._ending):
                self.flow.release()  # what still comes is read and dropped, so that the client's leaving is seen
                return
            if fresh and len(self._unanswered) >= _MOST_UNANSWERED:
                break
            end = self._framing.cut(data, start)
            start += self._feed(data[start:end])
        else:
            if start < len(data):
                self.loop.call_soon(self._go_on)
        if start < len(data):
            self._rest = data[start:]
            self.flow.hold()
        else:
            self.flow.release()

    def _feed(self, piece: bytes) -> int:
        """Parse *piece*, in which at most one request ends; how much of it has been taken."""
        taken = len(piece)
        if self._in_headers:
            self._unparsed += taken
        try:
            self._framing.take(piece)
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            taken = int(upgrade.args[0])  # nothing is upgraded here: what follows is HTTP/1.1 still
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, _HeadersTooLarge):
                self._refuse(_too_large(self.limits.max_header_bytes))
            else:
                self._refuse(_malformed(str(cause) if isinstance(cause, Unacceptable) else ""))
        else:
            if self._in_headers and self._unparsed > self.limits.max_header_bytes:
                self._refuse(_too_large(self.limits.max_header_bytes))
            elif self._in_headers and self._unparsed:
                self._start_timer()
        return taken

    def _refuse(self, problem: Problem) -> None:
        """Refuse what never became a request and all that follows, after the answers to what came before it."""
        self._problem = problem
        self._stop_timer()
        self._rest = b""
        if not self._in_headers:  # the body of the last request is broken: this is its answer
            if self.cycle.response_started:
                self.transport.close()
                return
            if self.pipeline:
                self.pipeline.popleft()
            self._unanswered.pop()
        if not self._unanswered:
            self._send_refusal(problem)

    def _send_refusal(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
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
        if self.flow.read_paused:  # it is not the client that is slow: its input waits for the answers before it
            self._start_timer()
        elif not self.transport.is_closing():
            self.transport.close()


def limited(settings: Settings) -> type[LimitedProtocol]:
    """The protocol with the limits of one configuration."""

    class Bound(LimitedProtocol):
        limits = settings

    return Bound


def _malformed(message: str) -> Problem:
    return Problem(Code.INVALID_ARGUMENT, Reason.MALFORMED_HTTP, message or "This is not a valid HTTP request.")


def _too_large(limit: int) -> Problem:
    return Problem(
        Code.RESOURCE_EXHAUSTED,
        Reason.HEADERS_TOO_LARGE,
        f"Request line and headers may have at most {limit} bytes.",
        http=431,
    )
