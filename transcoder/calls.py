"""Calling services: unary calls and server streams, with allow-listed metadata, deadlines, and a drain.

What is asked and how the answer looks is the affair of the doors: :mod:`transcoder.rest` for HTTP rules and
:mod:`transcoder.rpc.door` for generated clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from transcoder import metadata
from transcoder.backends import Backend, Backends
from transcoder.callstream import RequestHeaders
from transcoder.config import Settings
from transcoder.errors import Code, Headers, Problem, Reason
from transcoder.exchange import JSON_HEADERS, NO_STORE, Exchange
from transcoder.metadata import MetadataPolicy
from transcoder.statuses import Fault
from transcoder.streaming import Format, StreamAnswer, StreamLimits
from transcoder.upstream import Call

_MARGIN_S: Final = 0.02
"""Taken off the deadline that travels on, so that the service's own answer to a missed deadline still arrives."""

Opening = asyncio.Task[bytes | None]
"""Waits for the first message of a stream; None where there is none."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call to make: *frames* are its messages; *timeout_s* is what the client wants, None where it says nothing."""

    service: str
    path: bytes
    frames: bytes
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a unary call, and the metadata of it that clients may see."""

    data: bytes
    headers: Headers
    trailers: Headers


@dataclass(frozen=True, slots=True)
class Passage:
    """How a stream is passed on: its format, how a message becomes a record, how an error becomes one."""

    form: Callable[[Opening], Awaitable[Format]]
    record: Callable[[bytes], bytes]
    error: Callable[[Fault | Problem], bytes]


class Caller:
    """Makes calls for exchanges. One per process."""

    def __init__(self, settings: Settings, backends: Backends) -> None:
        self._settings = settings
        self._backends = backends
        self._policy = MetadataPolicy(forwarded=settings.forward_headers, returned=settings.return_headers)
        self._limits = StreamLimits(
            first_message_s=settings.stream_first_message_s,
            keepalive_s=settings.stream_keepalive_s,
            send_timeout_s=settings.stream_send_timeout_s,
        )
        self._streams: set[Call] = set()
        self._draining = False

    @property
    def open_streams(self) -> int:
        """Server streams that are open now."""
        return len(self._streams)

    def end_streams(self) -> None:
        """End every server stream with UNAVAILABLE and take no more, so that clients reconnect elsewhere."""
        self._draining = True
        for call in list(self._streams):
            call.fail(_going_down())

    def visible(self, received: Headers) -> Headers:
        """What of a service's metadata clients may see."""
        return self._policy.incoming(received)

    async def unary(self, exchange: Exchange, request: Request) -> Answer:
        """Make a call with one answer.

        Raises:
            Problem, Fault: The call failed.
            ClientGone: There is nobody to answer.
        """
        backend = self._backend(request)
        outgoing = self._outgoing(exchange)
        timeout_s = _within(request.timeout_s, self._settings.default_timeout_s, self._settings.max_timeout_s)
        outgoing.append((b"grpc-timeout", metadata.timeout_value(timeout_s - _MARGIN_S)))
        call = Call(backend, self._settings.max_response_bytes)
        try:
            with exchange.watched(call):
                async with asyncio.timeout(timeout_s):
                    await call.start(request.path, outgoing, request.frames)
                    data = await call.message()
                    trailers = await call.finish()
        except TimeoutError:
            raise deadline_exceeded() from None
        finally:
            call.close()
        if data is None:
            raise broken("ended without a message")
        return Answer(data, self.visible(call.headers), self.visible(trailers))

    async def stream(self, exchange: Exchange, request: Request, passage: Passage) -> None:
        """Make a call with a stream of answers, and pass them on as they come.

        Raises:
            Problem, Fault: To be answered as an error; nothing has been sent.
            ClientGone, SlowReader: There is nobody to answer.
        """
        backend = self._backend(request)
        if self._draining:
            raise _going_down()
        if len(self._streams) >= self._settings.max_streams:
            raise Problem(
                Code.UNAVAILABLE, Reason.TOO_MANY_STREAMS, "Too many streams are open; try again.", retry_after_s=5
            )
        outgoing = self._outgoing(exchange)
        age_s = self._settings.stream_max_age_s
        timeout_s = _within(request.timeout_s, age_s, age_s)
        outgoing.append((b"grpc-timeout", metadata.timeout_value(timeout_s - _MARGIN_S)))
        call = Call(backend, self._settings.max_response_bytes)
        self._streams.add(call)
        opening = asyncio.create_task(_open(call, request.path, outgoing, request.frames))
        try:
            with exchange.watched(call):
                answer = StreamAnswer(
                    exchange,
                    call,
                    await passage.form(opening),
                    record=passage.record,
                    render=passage.error,
                    limits=self._limits,
                    deadline=asyncio.get_running_loop().time() + timeout_s,
                )
                await answer.run(opening, lambda: self.visible(call.headers))
        finally:
            self._streams.discard(call)
            opening.cancel()
            call.close()

    def _backend(self, request: Request) -> Backend:
        backend = self._backends.of(request.service)
        if backend is None:
            raise Problem(Code.UNIMPLEMENTED, Reason.ROUTE_NOT_FOUND, "No backend is configured for this method.")
        return backend

    def _outgoing(self, exchange: Exchange) -> RequestHeaders:
        return self._policy.outgoing(exchange.headers, exchange.request_id, exchange.client)


def error_headers(headers: Headers) -> Headers:
    """Headers of an error answer: JSON, never stored."""
    return [*JSON_HEADERS, NO_STORE, *headers]


def deadline_exceeded() -> Problem:
    """The deadline has passed."""
    return Problem(Code.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED, "The service did not answer in time.")


def broken(what: str) -> Problem:
    """The service's answer cannot be passed on."""
    return Problem(Code.INTERNAL, Reason.BACKEND_PROTOCOL, f"The service's answer {what}.")


async def _open(call: Call, path: bytes, outgoing: RequestHeaders, frames: bytes) -> bytes | None:
    await call.start(path, outgoing, frames)
    return await call.message()


def _within(wanted_s: float | None, default_s: float, longest_s: float) -> float:
    if wanted_s is None:
        return min(default_s, longest_s)
    if wanted_s <= 0:
        raise deadline_exceeded()
    return min(wanted_s, longest_s)


def _going_down() -> Problem:
    return Problem(Code.UNAVAILABLE, Reason.SERVER_DRAINING, "The server is going down.", retry_after_s=1)
