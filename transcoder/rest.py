"""The door for HTTP rules: a request by its binding becomes a call, the answer becomes JSON, a stream or raw bytes."""

from __future__ import annotations

import asyncio
from typing import Any

from google.protobuf.message import DecodeError, Message

from transcoder import jsontext, metadata
from transcoder.bindings import Binding
from transcoder.bodies import read_body
from transcoder.calls import Caller, Opening, Passage, Request, broken
from transcoder.config import Settings
from transcoder.dynamic import Unwritable
from transcoder.errors import Code, Problem, Reason
from transcoder.exchange import JSON_HEADERS, NO_STORE, Exchange
from transcoder.requests import Parts, RequestReader
from transcoder.statuses import Fault, FaultRenderer
from transcoder.streaming import Format, Raw, format_for


class RestDoor:
    """Answers exchanges that a route led to a binding."""

    def __init__(self, settings: Settings, caller: Caller, reader: RequestReader, renderer: FaultRenderer) -> None:
        self._settings = settings
        self._caller = caller
        self._reader = reader
        self._renderer = renderer

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
        body = await read_body(
            exchange.receive,
            exchange.headers,
            max_bytes=self._settings.max_request_bytes,
            timeout_s=self._settings.request_timeout_s,
        )
        headers = exchange.headers
        parts = Parts(values, query, headers.get(b"content-type", b""), body, headers.get(b"idempotency-key", b""))
        frames = self._reader.read(binding, parts)
        request = Request(binding.service, binding.path, frames, metadata.client_timeout_s(headers))
        if binding.server_streaming:
            await self._stream(exchange, binding, request)
        else:
            await self._unary(exchange, binding, request)

    async def _unary(self, exchange: Exchange, binding: Binding, request: Request) -> None:
        received = await self._caller.unary(exchange, request)
        answer = binding.answer(parsed(binding, received.data))
        headers = [*received.headers, *received.trailers]
        if not any(name == NO_STORE[0] for name, _ in headers):
            headers.append(NO_STORE)
        if binding.raw_response:
            kind = (b"content-type", _raw_type(answer))
            await exchange.answer(200, [kind, *JSON_HEADERS[1:], *headers], answer.data)
        else:
            await exchange.answer(200, [*JSON_HEADERS, *headers], jsontext.dumps(written(binding, answer)))

    async def _stream(self, exchange: Exchange, binding: Binding, request: Request) -> None:
        async def form(opening: Opening) -> Format:
            return await _raw_format(binding, opening) or format_for(exchange.headers.get(b"accept", b""))

        passage = Passage(form, lambda data: _record(binding, data), lambda error: self._status(binding, error))
        await self._caller.stream(exchange, request, passage)

    def _status(self, binding: Binding, error: Fault | Problem) -> bytes:
        if isinstance(error, Problem):
            return error.body(self._settings.error_domain)
        return self._renderer.render(error, binding.input, binding.as_written).body


async def _raw_format(binding: Binding, opening: Opening) -> Raw | None:
    """The format of a stream of ``google.api.HttpBody``: its content type is that of the first message."""
    if not binding.raw_response:
        return None
    data = await asyncio.shield(opening)
    return Raw(_raw_type(binding.answer(parsed(binding, data or b""))))


def _record(binding: Binding, data: bytes) -> bytes:
    answer = binding.answer(parsed(binding, data))
    return bytes(answer.data) if binding.raw_response else jsontext.dumps(written(binding, answer))


def parsed(binding: Binding, data: bytes) -> Message:
    """The answer *data* as a message.

    Raises:
        Problem: It is not of its type.
    """
    try:
        return binding.response.FromString(data)
    except DecodeError:
        raise broken("is not a message of its type") from None


def written(binding: Binding, answer: Any) -> Any:
    """What :meth:`Binding.answer` gave, as a JSON value.

    Raises:
        Problem: JSON cannot express it.
    """
    try:
        return answer if binding.write is None else binding.write(answer)
    except Unwritable as error:
        raise broken("cannot be written as JSON") from error


def _raw_type(answer: Any) -> bytes:
    kind = str(answer.content_type)
    return kind.encode() if kind.isascii() and kind.isprintable() and kind else b"application/octet-stream"
