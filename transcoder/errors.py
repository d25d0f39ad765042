"""What the transcoder itself refuses: codes, stable reasons, and their rendering as ``google.rpc.Status`` JSON.

Statuses that come from a service are :class:`transcoder.statuses.Fault`; both end in :func:`status_body`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final

Headers = list[tuple[bytes, bytes]]
"""HTTP headers as ASGI has them: lower-case names."""

LONGEST_QUOTE: Final = 120
"""Longest piece of a request that an error repeats, in characters; names of fields are far shorter."""

_TYPES: Final = "type.googleapis.com/google.rpc."


class Code(IntEnum):
    """The canonical codes of google/rpc/code.proto."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_STATUS: Final[dict[Code, int]] = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
"""The HTTP status of each code, as google/rpc/code.proto has it."""


class Reason(StrEnum):
    """Stable reasons of refusals that are the transcoder's own; a service's reasons pass through untouched."""

    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    """No route has this path."""
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    """The path has routes, none with this method; `Allow` names theirs."""
    MALFORMED_HTTP = "MALFORMED_HTTP"
    """Not HTTP/1.1."""
    MALFORMED_PATH = "MALFORMED_PATH"
    """Broken percent-encoding, or not UTF-8."""
    MALFORMED_QUERY = "MALFORMED_QUERY"
    """Broken percent-encoding, or not UTF-8."""
    MALFORMED_JSON = "MALFORMED_JSON"
    """The body is not JSON as RFC 8259 has it."""
    MALFORMED_BODY = "MALFORMED_BODY"
    """The body is not what its `Content-Encoding` says."""
    INVALID_FIELD = "INVALID_FIELD"
    """A value does not fit its field; the violations name every one."""
    UNKNOWN_QUERY_PARAMETER = "UNKNOWN_QUERY_PARAMETER"
    """A query parameter is no field that may stand there."""
    UNEXPECTED_BODY = "UNEXPECTED_BODY"
    """The route takes no body."""
    UNSUPPORTED_CONTENT_TYPE = "UNSUPPORTED_CONTENT_TYPE"
    """Bodies are `application/json`."""
    UNSUPPORTED_CONTENT_ENCODING = "UNSUPPORTED_CONTENT_ENCODING"
    """Bodies are plain or gzip."""
    INVALID_HEADER = "INVALID_HEADER"
    """A header that has a meaning here cannot be read."""
    HEADERS_TOO_LARGE = "HEADERS_TOO_LARGE"
    """The header fields are too many or too long."""
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    """The body is over the limit, as sent or as inflated."""
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    """The request did not arrive whole in time."""
    RESPONSE_TOO_LARGE = "RESPONSE_TOO_LARGE"
    """The service's answer is over the limit."""
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    """The service did not answer in time."""
    GRPC_ONLY = "GRPC_ONLY"
    """The method streams both ways, which HTTP/1.1 cannot."""
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    """All streams that this process may serve are open."""
    OVERLOADED = "OVERLOADED"
    """Too much waits for the service."""
    BACKEND_UNAVAILABLE = "BACKEND_UNAVAILABLE"
    """The service cannot be reached."""
    BACKEND_PROTOCOL = "BACKEND_PROTOCOL"
    """The service's answer is no gRPC."""
    SERVER_DRAINING = "SERVER_DRAINING"
    """This process is stopping; connect again."""
    CROSS_ORIGIN = "CROSS_ORIGIN"
    """Routes below `/session` are for pages of their own origin, which send `X-Firewalker-Session: 1`."""
    NO_SESSION = "NO_SESSION"
    """The browser sent no cookie of a session."""
    INTERNAL = "INTERNAL"
    """A bug of the transcoder; the request id finds it in the log."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that is wrong, by its canonical path (``a.b[2].c``, lowerCamelCase), and what is wrong with it.

    *reason* is None where it is that of the whole refusal.
    """

    field: str
    description: str
    reason: Reason | None = None


class Problem(Exception):
    """A refusal of the transcoder itself, ready to be answered.

    *http* replaces the status that *code* maps to (405, 413, 415 have no code of their own). *retry_after_s* becomes
    RetryInfo and ``Retry-After``. The message is for the client: no host, no library text.
    """

    def __init__(
        self,
        code: Code,
        reason: Reason,
        message: str,
        *,
        http: int | None = None,
        violations: Sequence[Violation] = (),
        retry_after_s: float | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.http = HTTP_STATUS[code] if http is None else http
        self.violations = violations
        self.retry_after_s = retry_after_s
        self.headers = headers

    def details(self, domain: str) -> list[dict[str, Any]]:
        """ErrorInfo first, then BadRequest and RetryInfo where they apply."""
        found: list[dict[str, Any]] = [
            {"@type": _TYPES + "ErrorInfo", "reason": self.reason.value, "domain": domain, "metadata": {}}
        ]
        if self.violations:
            fields = [
                {"field": each.field, "description": each.description, "reason": (each.reason or self.reason).value}
                for each in self.violations
            ]
            found.append({"@type": _TYPES + "BadRequest", "fieldViolations": fields})
        if self.retry_after_s is not None:
            found.append({"@type": _TYPES + "RetryInfo", "retryDelay": f"{self.retry_after_s:g}s"})
        return found

    def body(self, domain: str) -> bytes:
        """The ``google.rpc.Status`` as one line of JSON."""
        return status_body(self.code, self.message, self.details(domain))

    def response_headers(self) -> Headers:
        """Headers that belong to the refusal itself: ``Allow``, ``Retry-After``."""
        found = list(self.headers)
        if self.retry_after_s is not None:
            found.append(retry_after(self.retry_after_s))
        return found


def invalid_field(field: str, description: str) -> Problem:
    """A 400 for one field of the request, named by its canonical path."""
    return invalid([Violation(clip(field), description, Reason.INVALID_FIELD)])


def invalid(violations: Sequence[Violation]) -> Problem:
    """A 400 for all that is wrong with a request; its reason and message are those of the first violation."""
    first = violations[0]
    message = f"{first.field}: {first.description}" if first.field else first.description
    others = len(violations) - 1
    if others:
        message += f" (and {others} more)"
    return Problem(Code.INVALID_ARGUMENT, first.reason or Reason.INVALID_FIELD, message, violations=tuple(violations))


def method_not_allowed(given: str, allowed: Iterable[str]) -> Problem:
    """A 405 that names the methods there are."""
    names = ", ".join(sorted(allowed))
    return Problem(
        Code.UNIMPLEMENTED,
        Reason.METHOD_NOT_ALLOWED,
        f"{given} is not allowed here; allowed: {names}.",
        http=405,
        headers=[(b"allow", names.encode())],
    )


def clip(text: str) -> str:
    """At most :data:`LONGEST_QUOTE` characters of what a client sent, for quoting it back."""
    return text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "..."


def retry_after(seconds: float) -> tuple[bytes, bytes]:
    """The ``Retry-After`` header: whole seconds, rounded up, at least 0."""
    return b"retry-after", str(max(0, math.ceil(seconds))).encode()


def status_body(code: int, message: str, details: list[dict[str, Any]]) -> bytes:
    """A ``google.rpc.Status`` as one line of JSON; lone surrogates of hostile input become ``?``."""
    status = {"code": int(code), "message": message, "details": details}
    return json.dumps(status, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
