"""The ASGI application: routes to bindings, errors to Status JSON, one log line and one metric per request.

Operational pages (health, the documentation) are a small Starlette application beside the hot path.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from transcoder import page
from transcoder.backends import Backends
from transcoder.bindings import Binding, Compiler
from transcoder.bodies import ClientGone, Receive
from transcoder.calls import Caller, error_headers
from transcoder.config import Settings
from transcoder.cors import with_cors
from transcoder.errors import HTTP_STATUS, Code, Problem, Reason, method_not_allowed
from transcoder.exchange import Exchange, Send
from transcoder.health import Readiness
from transcoder.jsonreader import JsonReader
from transcoder.jsonwriter import JsonWriter
from transcoder.metrics import Metrics
from transcoder.openapi import pages
from transcoder.openapi.document import document
from transcoder.requests import RequestReader
from transcoder.rest import RestDoor
from transcoder.rpc.door import RpcDoor
from transcoder.rpc.methods import methods
from transcoder.schema import Schema, SchemaError
from transcoder.session import door as sessions
from transcoder.session.door import SessionDoor
from transcoder.statuses import Fault, FaultRenderer
from transcoder.streaming import SlowReader
from transcoder.tracing import Tracing, trace_id

_log = structlog.get_logger("transcoder")

_OPERATIONS: Final = frozenset({"/healthz", "/readyz", *pages.PATHS, *page.PATHS})
_PREFIXES: Final = (pages.VIEWER_PREFIX, page.PREFIX)
"""Paths that are the transcoder's own; the descriptor set cannot take them, nor those of sessions."""


class Transcoder:
    """The application. Build it inside a running loop's process; it opens connections only when calls need them.

    Raises:
        SchemaError: A service with HTTP rules has no backend, or a rule wants a path of the transcoder's own.
        RuleError: A rule cannot work.
    """

    def __init__(self, settings: Settings, schema: Schema, metrics: Metrics | None = None) -> None:
        reader = JsonReader(schema, ignore_unknown=settings.ignore_unknown_fields)
        writer = JsonWriter(schema)
        self._routes, self.bindings = Compiler(schema, reader, writer).routes()
        self._methods = methods(schema, reader, writer)
        self._settings = settings
        self._backends = Backends(
            settings.backends,
            connect_timeout_s=settings.connect_timeout_s,
            max_links=settings.max_backend_connections,
            ca_file=settings.tls_ca_file,
        )
        _check(self.bindings, self._backends)
        self._renderer = FaultRenderer(schema)
        self._caller = Caller(settings, self._backends)
        requests = RequestReader(
            max_depth=settings.max_depth,
            ignored_query=settings.ignored_query,
            request_id_field=settings.request_id_field,
        )
        self._rest = RestDoor(settings, self._caller, requests, self._renderer)
        self._rpc = RpcDoor(settings, self._caller, self._renderer)
        self._sessions = SessionDoor(settings, self._caller, requests, self.bindings)
        self._metrics = metrics or Metrics()
        self._metrics.watch_streams(lambda: self._caller.open_streams)
        self._tracing = (
            None if settings.trace_endpoint is None else Tracing(settings.trace_endpoint, settings.trace_share)
        )
        self._readiness = Readiness(self._backends)
        self._operations = Starlette(
            routes=[
                Route("/healthz", _healthz),
                Route("/readyz", self._readyz),
                *pages.routes(
                    lambda: document(
                        schema,
                        self.bindings,
                        title=settings.api_title,
                        request_id_field=settings.request_id_field,
                        public_option=settings.public_option,
                    )
                ),
                *page.routes(settings.error_domain),
            ],
            exception_handlers={404: self._nothing_there, 405: self._other_method},
            lifespan=self._lifespan,
        )
        self._entry = with_cors(self._dispatch, settings, {binding.method for binding in self.bindings})

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        await self._entry(scope, receive, send)

    async def _dispatch(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_own(scope["path"]):
            await self._operations(scope, receive, _headers_only(send) if scope.get("method") == "HEAD" else send)
            return
        exchange = Exchange(scope, receive, send)
        span = None if self._tracing is None else self._tracing.begin(exchange)
        try:
            await self._serve(exchange, scope["query_string"])
        finally:
            status = self._report(exchange)
            if self._tracing is not None:
                self._tracing.end(span, exchange, status)

    def stop_accepting(self) -> None:
        """Turn ``/readyz`` to 503: a balancer is to send nothing new."""
        self._readiness.draining = True

    def end_streams(self) -> None:
        """End every server stream with UNAVAILABLE; unary calls finish."""
        self._caller.end_streams()

    async def _serve(self, exchange: Exchange, query: bytes) -> None:
        try:
            method = self._methods.get(exchange.raw_path)
            if method is not None:
                exchange.found(method.rpc, method.path.decode(), method.input)
                await self._rpc.answer(exchange, method, query)
                return
            session = self._sessions.find(exchange.raw_path)
            if session is not None:
                exchange.found(session.binding.rpc, session.path, session.binding.input)
                await self._sessions.answer(exchange, session, query)
                return
            binding, values = self._routes.match(exchange.method, exchange.raw_path)
            exchange.found(binding.rpc, binding.template.text, binding.input, binding.as_written)
            await self._rest.answer(exchange, binding, values, query)
        except Problem as problem:
            await self._refuse(exchange, problem)
        except Fault as fault:
            rendered = self._renderer.render(fault, exchange.input, exchange.as_written)
            exchange.code = fault.code
            headers = exchange.challenged(fault.code, rendered.headers)
            await exchange.answer(rendered.http, error_headers(headers), rendered.body)
        except ClientGone:
            exchange.code = Code.CANCELLED
        except SlowReader:
            exchange.code = Code.RESOURCE_EXHAUSTED
            await exchange.cut()
        except Exception:  # noqa: BLE001 - the last line: a bug is logged here and named by its id only
            exchange.code = Code.INTERNAL
            _log.exception("request failed", request_id=exchange.request_id.decode())
            if exchange.status:
                await exchange.cut()
            else:
                await self._refuse(exchange, _internal(exchange))

    async def _refuse(self, exchange: Exchange, problem: Problem) -> None:
        exchange.code = problem.code
        headers = error_headers(exchange.challenged(problem.code, problem.response_headers()))
        await exchange.answer(problem.http, headers, problem.body(self._settings.error_domain))

    def _report(self, exchange: Exchange) -> int:
        status = exchange.status or HTTP_STATUS[Code.CANCELLED]
        seconds = perf_counter() - exchange.started
        self._metrics.request(exchange.rpc, status, seconds)
        trace = trace_id(exchange)
        _log.info(
            "request",
            request_id=exchange.request_id.decode(),
            **({"trace_id": trace} if trace else {}),
            method=exchange.method,
            route=exchange.route,
            rpc=exchange.rpc,
            status=status,
            code=int(exchange.code),
            ms=round(seconds * 1000, 2),
            bytes=exchange.sent_bytes,
            messages=exchange.messages,
        )
        return status

    async def _nothing_there(self, _request: Request, _error: Exception) -> Response:
        return self._refusal(Problem(Code.NOT_FOUND, Reason.ROUTE_NOT_FOUND, "Nothing is here."))

    async def _other_method(self, request: Request, _error: Exception) -> Response:
        return self._refusal(method_not_allowed(request.method, ["GET", "HEAD"]))

    def _refusal(self, problem: Problem) -> Response:
        """A refusal at a path of the transcoder's own."""
        told = {name.decode(): value.decode() for name, value in error_headers(problem.response_headers())}
        return Response(problem.body(self._settings.error_domain), problem.http, headers={**page.SECURITY, **told})

    async def _readyz(self, _request: Request) -> JSONResponse:
        ready, report = await self._readiness.check()
        return JSONResponse(report, status_code=200 if ready else 503, headers={"cache-control": "no-store"})

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        self._backends.close()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)


async def _healthz(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "SERVING"}, headers={"cache-control": "no-store"})


def _headers_only(send: Send) -> Send:
    """For HEAD: bodies stay away, and are counted in ``content-length`` as for GET."""

    async def without_body(event: MutableMapping[str, Any]) -> None:
        await send({**event, "body": b""} if event["type"] == "http.response.body" else event)

    return without_body


def _is_own(path: str) -> bool:
    return path in _OPERATIONS or path.startswith(_PREFIXES)


def _internal(exchange: Exchange) -> Problem:
    return Problem(Code.INTERNAL, Reason.INTERNAL, f"Internal error; request {exchange.request_id.decode()}.")


def _check(bindings: list[Binding], backends: Backends) -> None:
    for binding in bindings:
        if backends.of(binding.service) is None:
            raise SchemaError(f"{binding.service} has HTTP rules, but no backend is configured for it")
        if _is_own(binding.template.shape) or binding.template.shape.startswith(sessions.PREFIX):
            raise SchemaError(f"{binding.rpc}: {binding.template.text} is a path of the transcoder itself")
