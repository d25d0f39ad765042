"""The door for browsers' sessions: sign-up, login, refresh and logout, with the refresh token in a cookie.

Each route calls the RPC of the same name of one configured service, and answers as it does; only the token is taken out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from google.protobuf.message import Message

from transcoder import jsontext, metadata
from transcoder.bindings import Binding
from transcoder.bodies import read_body
from transcoder.calls import Caller, Request, broken
from transcoder.config import Settings
from transcoder.errors import Code, Problem, Reason, method_not_allowed
from transcoder.exchange import JSON_HEADERS, NO_STORE, Exchange
from transcoder.requests import Parts, RequestReader, unexpected_body
from transcoder.rest import parsed, written
from transcoder.rpc.envelopes import envelope
from transcoder.schema import SchemaError
from transcoder.session import cookie
from transcoder.session.guard import require_own_page
from transcoder.session.rotations import Granted, Rotations
from transcoder.statuses import Fault

_log = structlog.get_logger("transcoder")

PREFIX: Final = "/session/"

_SIGN_UP: Final = "SignUp"
_LOGIN: Final = "Login"
_REFRESH: Final = "Refresh"
_LOGOUT: Final = "Logout"
_METHODS: Final = {"sign-up": _SIGN_UP, "login": _LOGIN, "refresh": _REFRESH, "logout": _LOGOUT}
"""Routes, and the methods that they call."""

_TOKENS: Final = "tokens"
_TOKEN: Final = "refresh_token"  # noqa: S105 - a field's name
_EXPIRY: Final = "refresh_expire_time"


@dataclass(frozen=True, slots=True)
class SessionRoute:
    """One route: its path, its method, and the HTTP rule whose request and answer it has."""

    path: str
    method: str
    binding: Binding


class SessionDoor:
    """Answers exchanges below ``/session``.

    Raises:
        SchemaError: The configured service is not one that this can work with.
    """

    def __init__(self, settings: Settings, caller: Caller, reader: RequestReader, bindings: Iterable[Binding]) -> None:
        self._settings = settings
        self._caller = caller
        self._reader = reader
        self._rotations = Rotations()
        by_rpc = {binding.rpc: binding for binding in bindings}
        self._routes: dict[bytes, SessionRoute] = {}
        self._bindings: dict[str, Binding] = {}
        if settings.session_service:
            for name, method in _METHODS.items():
                binding = _checked(by_rpc.get(f"{settings.session_service}.{method}"), settings.session_service, method)
                self._bindings[method] = binding
                self._routes[f"{PREFIX}{name}".encode()] = SessionRoute(PREFIX + name, method, binding)

    def find(self, raw_path: bytes) -> SessionRoute | None:
        """The route with this path."""
        return self._routes.get(raw_path)

    async def answer(self, exchange: Exchange, route: SessionRoute, query: bytes) -> None:
        """Read the request, make the call, send the answer.

        Raises:
            Problem, Fault: To be answered as an error; nothing has been sent.
            ClientGone: There is nobody to answer.
        """
        if exchange.method != "POST":
            raise method_not_allowed(exchange.method, ["POST"])
        require_own_page(exchange.headers)
        body = await read_body(
            exchange.receive,
            exchange.headers,
            max_bytes=self._settings.max_request_bytes,
            timeout_s=self._settings.request_timeout_s,
        )
        if route.method == _REFRESH:
            _require_nothing(body)
            answer = await self._refresh(exchange, route.binding)
        elif route.method == _LOGOUT:
            _require_nothing(body)
            answer = await self._logout(exchange, route.binding)
        else:
            parts = Parts([], query, exchange.headers.get(b"content-type", b""), body)
            granted = await self._grant(exchange, route.binding, self._reader.read(route.binding, parts))
            await self._end_replaced(exchange)
            answer = _kept(exchange, granted)
        await exchange.answer(200, [*JSON_HEADERS, NO_STORE], jsontext.dumps(answer))

    async def _refresh(self, exchange: Exchange, binding: Binding) -> Any:
        token = cookie.token_in(exchange.headers)
        if not token:
            raise Problem(Code.UNAUTHENTICATED, Reason.NO_SESSION, "This browser has no session.")

        async def ask(presented: str) -> Granted:
            return await self._grant(exchange, binding, _with_token(binding, presented))

        try:
            granted = await self._rotations.exchange(token, ask)
        except Fault as fault:
            if fault.code is Code.UNAUTHENTICATED:  # this token will never do again
                exchange.added.append(cookie.dropped(exchange.headers))
            raise
        return _kept(exchange, granted)

    async def _logout(self, exchange: Exchange, binding: Binding) -> Any:
        """End the cookie's session, else that of the access token. The cookie stays if that failed: to be tried again."""
        token = cookie.token_in(exchange.headers)
        answer = await self._call(exchange, binding, _with_token(binding, token))
        self._rotations.forget(token)
        exchange.added.append(cookie.dropped(exchange.headers))
        return written(binding, answer)

    async def _end_replaced(self, exchange: Exchange) -> None:
        """End the session that the cookie held until now: nobody could get back into it, and it would live for weeks.

        What keeps that from being done keeps nobody from signing in.
        """
        token = cookie.token_in(exchange.headers)
        if not token:
            return
        binding = self._bindings[_LOGOUT]
        try:
            await self._call(exchange, binding, _with_token(binding, token))
        except (Fault, Problem) as error:
            _log.warning("replaced session not ended", request_id=exchange.request_id.decode(), code=int(error.code))
        self._rotations.forget(token)

    async def _grant(self, exchange: Exchange, binding: Binding, frames: bytes) -> Granted:
        answer = await self._call(exchange, binding, frames)
        tokens = getattr(answer, _TOKENS)
        token = str(getattr(tokens, _TOKEN))
        expiry = getattr(tokens, _EXPIRY)
        if not token:
            raise broken("holds no refresh token")
        told = written(binding, answer)
        field = binding.output.fields_by_name[_TOKENS]
        assert field.message_type is not None  # noqa: S101 - looked at when the door was made
        del told[field.json_name][field.message_type.fields_by_name[_TOKEN].json_name]
        return Granted(told, token, expiry.seconds + expiry.nanos / 1e9)

    async def _call(self, exchange: Exchange, binding: Binding, frames: bytes) -> Any:
        timeout_s = metadata.client_timeout_s(exchange.headers)
        received = await self._caller.unary(exchange, Request(binding.service, binding.path, frames, timeout_s))
        return parsed(binding, received.data)


def _kept(exchange: Exchange, granted: Granted) -> Any:
    """The answer; the token goes into the cookie, for as long as it is good."""
    seconds = max(0, int(granted.expires_at - time.time()))
    exchange.added.append(cookie.kept(granted.token, seconds, exchange.headers))
    return granted.answer


def _with_token(binding: Binding, token: str) -> bytes:
    message: Message = binding.request(**{_TOKEN: token})
    return envelope(0, message.SerializeToString())


def _require_nothing(body: bytes) -> None:
    if body:
        raise unexpected_body()


def _checked(binding: Binding | None, service: str, method: str) -> Binding:
    """The binding, if its messages have what the routes need."""
    if binding is None or binding.body is None or binding.body.field is not None or binding.captures:
        raise SchemaError(f'{service} is to serve /session, but has no {method} with an HTTP rule and body: "*"')
    if method in {_REFRESH, _LOGOUT} and _TOKEN not in binding.input.fields_by_name:
        raise SchemaError(f"{service} is to serve /session, but the request of {method} has no {_TOKEN}")
    if method != _LOGOUT:
        tokens = binding.output.fields_by_name.get(_TOKENS)
        inner = None if tokens is None else tokens.message_type
        if inner is None or not {_TOKEN, _EXPIRY} <= set(inner.fields_by_name):
            raise SchemaError(
                f"{service} is to serve /session, but {method} answers no {_TOKENS} with {_TOKEN}, {_EXPIRY}"
            )
    return binding
