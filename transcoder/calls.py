"""Answering a request by calling its service: unary calls and server streams."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from transcoder import jsontext, metadata
from transcoder.backends import Backend, Backends
from transcoder.bindings import Binding
from transcoder.bodies import read_body
from transcoder.callstream import RequestHeaders
from transcoder.config import Settings
from transcoder.dynamic import Unwritable
from transcoder.errors import Code, Headers, Problem, Reason
from transcoder.exchange import JSON_HEADERS, Exchange
from transcoder.metadata import MetadataPolicy
from transcoder.requests import Parts, RequestReader
from transcoder.statuses import Fault, FaultRenderer
from transcoder.streaming import Raw, StreamAnswer, StreamLimits, format_for
from transcoder.upstream import Call

_MARGIN_S: Final = 0.02
"""Taken off the deadline that travels on, so that the service's own answer to a missed deadline still arrives."""

_NO_STORE: Final = (b"cache-control", b"no-store")
"""For every answer whose service says nothing else: answers belong to one user."""


class Caller:
    """Turns exchanges into gRPC calls and their answers into HTTP. One per process."""

    def __init__(
        self,
        settings: Settings,
        backends: Backends,
        reader: RequestReader,
        renderer: FaultRenderer,
    ) -> None:
        self._settings = settings
        self._backends = backends
        self._reader = reader
        self._renderer = renderer
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

    async def answer(self, exchange: Exchange, binding: Binding, values: list[str], query: bytes) -> None:
        """Read the request, make the call, send the answer.

        Raises:
            Problem, Fault: To be answered as an error; nothing has been sent.
            ClientGone, SlowReader: There is nobody to answer.
        """
        if binding.client_streaming and binding.server_streaming:
            raise Problem(
                Code.UNIMPLEMENTED, Reason.GRPC_ONLY, "This method streams both ways and is there over gRPC only."
            )
        backend = self._backends.of(binding.service)
        if backend is None:
            raise Problem(Code.INTERNAL, Reason.INTERNAL, "No backend is configured for this method.")
        body = await read_body(
            exchange.receive,
            exchange.headers,
            max_bytes=self._settings.max_request_bytes,
            timeout_s=self._settings.request_timeout_s,
        )
        parts = Parts(values, query, exchange.headers.get(b"content-type", b""), body)
        frames = self._reader.read(binding, parts)
        outgoing = self._policy.outgoing(exchange.headers, exchange.request_id, exchange.client)
        if binding.server_streaming:
            await self._stream(exchange, binding, backend, outgoing, frames)
        else:
            await self._unary(exchange, binding, backend, outgoing, frames)

    async def _unary(
        self,
        exchange: Exchange,
        binding: Binding,
        backend: Backend,
        outgoing: RequestHeaders,
        frames: bytes,
    ) -> None:
        timeout_s = self._timeout_s(exchange, self._settings.default_timeout_s, self._settings.max_timeout_s)
        outgoing.append((b"grpc-timeout", metadata.timeout_value(timeout_s - _MARGIN_S)))
        call = Call(backend, self._settings.max_response_bytes)
        try:
            with exchange.watched(call):
                async with asyncio.timeout(timeout_s):
                    await call.start(binding.path, outgoing, frames)
                    data = await call.message()
                    trailers = await call.finish()
        except TimeoutError:
            raise _deadline() from None
        finally:
            call.close()
        if data is None:
            raise _broken("ended without a message")
        answer = binding.answer(_parse(binding, data))
        headers = self._policy.incoming([*call.headers, *trailers])
        if not any(name == _NO_STORE[0] for name, _ in headers):
            headers.append(_NO_STORE)
        if binding.raw_response:
            kind = (b"content-type", _raw_type(answer))
            await exchange.answer(200, [kind, *JSON_HEADERS[1:], *headers], answer.data)
        else:
            await exchange.answer(200, [*JSON_HEADERS, *headers], _json(binding, answer))

    async def _stream(
        self,
        exchange: Exchange,
        binding: Binding,
        backend: Backend,
        outgoing: RequestHeaders,
        frames: bytes,
    ) -> None:
        if self._draining:
            raise _going_down()
        if len(self._streams) >= self._settings.max_streams:
            raise Problem(
                Code.UNAVAILABLE, Reason.TOO_MANY_STREAMS, "Too many streams are open; try again.", retry_after_s=5
            )
        age_s = self._settings.stream_max_age_s
        timeout_s = self._timeout_s(exchange, age_s, age_s)
        outgoing.append((b"grpc-timeout", metadata.timeout_value(timeout_s - _MARGIN_S)))
        call = Call(backend, self._settings.max_response_bytes)
        self._streams.add(call)
        opening = asyncio.create_task(_open(call, binding.path, outgoing, frames))
        try:
            with exchange.watched(call):
                answer = StreamAnswer(
                    exchange,
                    call,
                    await _raw_format(binding, opening) or format_for(exchange.headers.get(b"accept", b"")),
                    record=lambda data: _record(binding, data),
                    render=lambda error: self._status(binding, error),
                    limits=self._limits,
                    deadline=asyncio.get_running_loop().time() + timeout_s,
                )
                await answer.run(opening, lambda: self._policy.incoming(call.headers))
        finally:
            self._streams.discard(call)
            opening.cancel()
            call.close()

    def _timeout_s(self, exchange: Exchange, default_s: float, longest_s: float) -> float:
        wanted = metadata.client_timeout_s(exchange.headers)
        if wanted is None:
            return min(default_s, longest_s)
        if wanted <= 0:
            raise _deadline()
        return min(wanted, longest_s)

    def _status(self, binding: Binding, error: Fault | Problem) -> bytes:
        if isinstance(error, Problem):
            return error.body(self._settings.error_domain)
        return self._renderer.render(error, binding.input).body


async def _open(call: Call, path: bytes, outgoing: RequestHeaders, frames: bytes) -> bytes | None:
    await call.start(path, outgoing, frames)
    return await call.message()


async def _raw_format(binding: Binding, opening: asyncio.Task[bytes | None]) -> Raw | None:
    """The format of a stream of ``google.api.HttpBody``: its content type is that of the first message."""
    if not binding.raw_response:
        return None
    data = await asyncio.shield(opening)
    return Raw(_raw_type(binding.answer(_parse(binding, data or b""))))


def _record(binding: Binding, data: bytes) -> bytes:
    answer = binding.answer(_parse(binding, data))
    return bytes(answer.data) if binding.raw_response else _json(binding, answer)


def _parse(binding: Binding, data: bytes) -> Message:
    try:
        return binding.response.FromString(data)
    except DecodeError:
        raise _broken("is not a message of its type") from None


def _json(binding: Binding, answer: Any) -> bytes:
    try:
        return jsontext.dumps(answer if binding.write is None else binding.write(answer))
    except Unwritable as error:
        raise _broken("cannot be written as JSON") from error


def _raw_type(answer: Any) -> bytes:
    kind = str(answer.content_type)
    return kind.encode() if kind.isascii() and kind.isprintable() and kind else b"application/octet-stream"


def _deadline() -> Problem:
    return Problem(Code.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED, "The service did not answer in time.")


def _going_down() -> Problem:
    return Problem(Code.UNAVAILABLE, Reason.SERVER_DRAINING, "The server is going down.", retry_after_s=1)


def _broken(what: str) -> Problem:
    return Problem(Code.INTERNAL, Reason.BACKEND_PROTOCOL, f"The service's answer {what}.")


def error_headers(headers: Headers) -> Headers:
    """Headers of an error answer: JSON, never stored."""
    return [*JSON_HEADERS, _NO_STORE, *headers]
