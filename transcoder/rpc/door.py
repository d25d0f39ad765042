"""The door for generated clients: the content type tells the protocol, the protocol how to read, answer and refuse."""

from __future__ import annotations

import json
from typing import Final

from transcoder.bodies import read_body
from transcoder.calls import Caller, Opening, Passage, Request
from transcoder.config import Settings
from transcoder.errors import HTTP_STATUS, Code, Headers, Problem, Reason, method_not_allowed
from transcoder.exchange import JSON_HEADERS, NO_STORE, Exchange
from transcoder.requests import media_type
from transcoder.rpc import connect, grpcweb
from transcoder.rpc.connect import ConnectStream
from transcoder.rpc.envelopes import envelope, messages
from transcoder.rpc.grpcweb import GrpcWeb
from transcoder.rpc.methods import Method
from transcoder.rpc.statuses import status_of
from transcoder.statuses import Fault, FaultRenderer
from transcoder.streaming import Format

_NOSNIFF: Final = JSON_HEADERS[1]


class RpcDoor:
    """Answers exchanges whose path is that of an RPC."""

    def __init__(self, settings: Settings, caller: Caller, renderer: FaultRenderer) -> None:
        self._settings = settings
        self._caller = caller
        self._renderer = renderer

    async def answer(self, exchange: Exchange, method: Method, query: bytes) -> None:
        """Read the request, make the call, send the answer or, in the protocol's own form, the refusal.

        Raises:
            Problem: No protocol is spoken here, so that no form of refusal is known.
            ClientGone, SlowReader: There is nobody to answer.
        """
        if exchange.method == "GET" and method.gettable:
            await self._unary(exchange, method, query)
            return
        if exchange.method != "POST":
            raise method_not_allowed(exchange.method, ["GET", "POST"] if method.gettable else ["POST"])
        kind = media_type(exchange.headers.get(b"content-type", b""))
        if kind in grpcweb.KINDS:
            await self._enveloped(exchange, method, GrpcWeb(kind, method, self._caller.visible))
        elif kind in connect.STREAMS and (method.client_streaming or method.server_streaming):
            form = ConnectStream(kind, method, self._settings.max_depth, self._caller.visible)
            await self._enveloped(exchange, method, form)
        elif kind in connect.UNARY and not (method.client_streaming or method.server_streaming):
            await self._unary(exchange, method, None)
        else:
            raise _unsupported(method)

    async def _enveloped(self, exchange: Exchange, method: Method, form: GrpcWeb | ConnectStream) -> None:
        try:
            if isinstance(form, ConnectStream):
                connect.check_version(exchange.headers.get(b"connect-protocol-version"))
            request = await self._request(exchange, method, form)
            if method.server_streaming:
                await self._caller.stream(exchange, request, _passage(form, self._settings.error_domain))
                return
            answer = await self._caller.unary(exchange, request)
            body = form.record(answer.data) + form.end(answer.trailers)
            headers = answer.headers
        except (Fault, Problem) as error:
            exchange.code = error.code
            body = form.error(form.status(status_of(error, self._settings.error_domain)))
            # A body that was not read to its end must not be taken for the next request.
            headers = [] if isinstance(error, Fault) else [pair for pair in error.headers if pair[0] == b"connection"]
        await exchange.answer(200, [(b"content-type", form.content_type), _NOSNIFF, *_uncached(headers)], body)

    async def _request(self, exchange: Exchange, method: Method, form: GrpcWeb | ConnectStream) -> Request:
        if method.client_streaming and method.server_streaming:
            raise Problem(
                Code.UNIMPLEMENTED, Reason.GRPC_ONLY, "This method streams both ways and is there over gRPC only."
            )
        body = form.body(await self._body(exchange))
        found = messages(body, form.encoding(exchange), self._settings.max_request_bytes)
        if len(found) != 1 and not method.client_streaming:
            raise Problem(Code.UNIMPLEMENTED, Reason.MALFORMED_BODY, "Exactly one message is wanted.")
        frames = b"".join(envelope(0, form.message(data)) for data in found)
        return Request(method.service, method.path, frames, form.timeout_s(exchange))

    async def _unary(self, exchange: Exchange, method: Method, query: bytes | None) -> None:
        try:
            connect.check_version(exchange.headers.get(b"connect-protocol-version"))
            if query is None:
                kind = media_type(exchange.headers.get(b"content-type", b""))
                data = await self._body(exchange)
            else:
                kind, data = connect.from_query(query, self._settings.max_request_bytes)
            is_json = connect.UNARY[kind]
            data = method.encode(data, self._settings.max_depth) if is_json else method.checked(data)
            request = Request(method.service, method.path, envelope(0, data), connect.timeout_s(exchange))
            answer = await self._caller.unary(exchange, request)
            body = method.decode(answer.data) if is_json else answer.data
        except (Fault, Problem) as error:
            await self._refuse(exchange, method, error)
            return
        trailers = [(b"trailer-" + name, value) for name, value in answer.trailers]
        headers = _uncached([*answer.headers, *trailers])
        await exchange.answer(200, [(b"content-type", kind), _NOSNIFF, *headers], body)

    async def _refuse(self, exchange: Exchange, method: Method, error: Fault | Problem) -> None:
        exchange.code = error.code
        if isinstance(error, Problem):
            headers = error.response_headers()
        else:
            headers = exchange.challenged(error.code, self._renderer.render(error, method.input).headers)
        value = connect.error_value(status_of(error, self._settings.error_domain))
        await exchange.answer(HTTP_STATUS[error.code], [*JSON_HEADERS, *_uncached(headers)], json.dumps(value).encode())

    async def _body(self, exchange: Exchange) -> bytes:
        settings = self._settings
        return await read_body(
            exchange.receive,
            exchange.headers,
            max_bytes=settings.max_request_bytes,
            timeout_s=settings.request_timeout_s,
        )


def _passage(form: GrpcWeb | ConnectStream, domain: str) -> Passage:
    async def same(_opening: Opening) -> Format:
        return form

    # Records are made by the form itself; what the stream hands over are the service's messages.
    return Passage(same, lambda data: data, lambda error: form.status(status_of(error, domain)))


def _uncached(headers: Headers) -> Headers:
    return headers if any(name == NO_STORE[0] for name, _ in headers) else [*headers, NO_STORE]


def _unsupported(method: Method) -> Problem:
    streams = method.client_streaming or method.server_streaming
    kinds = sorted([*grpcweb.KINDS, *(connect.STREAMS if streams else connect.UNARY)])
    return Problem(
        Code.INVALID_ARGUMENT,
        Reason.UNSUPPORTED_CONTENT_TYPE,
        f"The body must be one of {', '.join(kind.decode() for kind in kinds)}.",
        http=415,
        headers=[(b"accept-post", b", ".join(kinds))],
    )
