"""Logs: one line per event, for people or for machines, without secrets. What is logged is decided where it happens.

Everything goes the same way, libraries' records too: context of the call, time, removal of secrets, pseudonyms, rendering.
"""

import hashlib
import hmac
import json
import logging
import secrets
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

from firewalker.runtime import tracing

Event = MutableMapping[str, Any]

SECRET: Final = frozenset({
    "password", "current_password", "new_password", "authorization", "token", "access_token", "refresh_token", "id_token",
    "registration_token", "secret", "email", "nickname", "mysql_url", "redis_url",
})  # fmt: skip
"""Keys whose values are never written, whoever logs them (PRIV-03)."""

PEOPLE: Final = frozenset({"user_id", "friend_id", "viewer_id", "caller", "session_id"})
"""Keys whose values are ids of users and their sessions: the one place where they become pseudonyms."""

# These describe bytes and headers of strangers at DEBUG.
_QUIET: Final = ("hpack", "h2", "httpx", "httpcore", "redis", "grpclib", "aiomysql", "asyncio")


def configure(*, level: str, form: str, service: str, pseudonym_key: bytes | None = None) -> None:
    """Set logging up for the process, on standard error. *form* is ``console`` or ``json``.

    Without *pseudonym_key* a random one is made: a user's lines go together within this process, and nobody can tell whose
    they are. A key that all processes share makes them go together everywhere.
    """
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Service(service),
        _with_ids,
        _without_nothing,
        _without_secrets,
        _Pseudonyms(pseudonym_key or secrets.token_bytes(32)),
        structlog.processors.format_exc_info,
    ]
    render: Callable[[Any, str, Event], str] = _json if form == "json" else _console
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*processors, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=processors, processor=_rendered(render)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


class _Service:
    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        event["service"] = self._name
        return event


def _with_ids(_logger: object, _method: str, event: Event) -> Event:
    """Add what the present call is found by, whoever logs in it."""
    ids = tracing.current.get()
    if ids is not None:
        event.setdefault("request_id", ids.request_id or None)
        event.setdefault("trace_id", ids.trace_id)
    return event


class _Pseudonyms:
    """Replaces users' ids by the same pseudonym each time, which only the holder of the key can tell."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        for name in PEOPLE & event.keys():
            event[name] = hmac.new(self._key, str(event[name]).encode(), hashlib.sha256).hexdigest()[:16]
        return event


def _without_nothing(_logger: object, _method: str, event: Event) -> Event:
    """Leave out what is None: an anonymous call has no user, a user's call no service."""
    return {name: value for name, value in event.items() if value is not None}


def _without_secrets(_logger: object, _method: str, event: Event) -> Event:
    for name in SECRET & event.keys():
        event[name] = "[removed]"
    return event


def _rendered(render: Callable[[Any, str, Event], str]) -> Callable[[Any, str, Event], str]:
    def run(logger: object, method: str, event: Event) -> str:
        event.pop("_record", None)
        event.pop("_from_structlog", None)
        return render(logger, method, event)

    return run


def _json(_logger: object, _method: str, event: Event) -> str:
    ordered = {name: event.pop(name, None) for name in ("time", "level", "service", "event")}
    # ASCII only: line separators and terminal codes cannot break a line out of what was logged.
    return json.dumps({**ordered, **event}, default=str)


def _console(_logger: object, _method: str, event: Event) -> str:
    time, level, _ = event.pop("time", ""), event.pop("level", ""), event.pop("service", "")
    text, trace = str(event.pop("event", "")), event.pop("exception", None)
    pairs = "".join(f" {name}={_word(value)}" for name, value in event.items())
    line = f"{time[11:23]} {level:<7} {_escaped(text)}{pairs}"
    for inner in (trace or "").splitlines():
        line += f"\n  | {_escaped(inner)}"
    return line


def _word(value: object) -> str:
    text = str(value)
    return text if text.isalnum() or (text.isprintable() and text and not set(text) & set(' "=')) else json.dumps(text)


def _escaped(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]
