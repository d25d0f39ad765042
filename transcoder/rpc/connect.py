"""Connect: unary calls as plain HTTP with JSON or protobuf bodies, streams as enveloped messages with a last one in JSON.

The protocol: https://connectrpc.com/docs/protocol.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any, Final

from transcoder.bodies import unpack
from transcoder.errors import Code, Headers, Problem, Reason, Violation
from transcoder.exchange import Exchange
from transcoder.requests import read_pairs
from transcoder.rpc.envelopes import ENCODINGS, envelope, malformed
from transcoder.rpc.methods import Method

UNARY: Final = {b"application/json": True, b"application/proto": False}
STREAMS: Final = {b"application/connect+json": True, b"application/connect+proto": False}
"""Content types, and whether they are JSON."""

_END: Final = 2
_MILLIS: Final = re.compile(rb"[0-9]{1,10}")
_THOUSAND: Final = 1000


class ConnectStream:
    """One call with enveloped messages: how its request is read, and the format of its answer."""

    keepalive = b""
    cuts_on_error = False

    def __init__(self, kind: bytes, method: Method, max_depth: int, visible: Callable[[Headers], Headers]) -> None:
        self.content_type = kind
        self._json = STREAMS[kind]
        self._method = method
        self._max_depth = max_depth
        self._visible = visible

    @staticmethod
    def encoding(exchange: Exchange) -> bytes:
        """How messages of the request are compressed."""
        return exchange.headers.get(b"connect-content-encoding", b"")

    @staticmethod
    def timeout_s(exchange: Exchange) -> float | None:
        """The deadline that the client wants."""
        return timeout_s(exchange)

    def body(self, body: bytes) -> bytes:
        """The envelopes in a request's body: all of it."""
        return body

    def message(self, data: bytes) -> bytes:
        """A request's message as protobuf.

        Raises:
            Problem: 400; the JSON is malformed, or a field of it is wrong.
        """
        return self._method.encode(data, self._max_depth) if self._json else self._method.checked(data)

    def record(self, data: bytes) -> bytes:
        """One message."""
        return envelope(0, self._method.decode(data) if self._json else data)

    def status(self, status: Any) -> bytes:
        """What ended a call early, as the last message."""
        return json.dumps({"error": error_value(status)}).encode()

    def error(self, status: bytes) -> bytes:
        """The last message of a call that failed."""
        return envelope(_END, status)

    def end(self, trailers: Headers) -> bytes:
        """The last message of a call that went well."""
        found: dict[str, list[str]] = {}
        for name, value in self._visible(trailers):
            found.setdefault(name.decode(), []).append(value.decode())
        return envelope(_END, json.dumps({"metadata": found} if found else {}).encode())


def error_value(status: Any) -> dict[str, Any]:
    """A ``google.rpc.Status`` as Connect writes it."""
    details = [
        {"type": each.type_url.rpartition("/")[2], "value": base64.b64encode(each.value).decode().rstrip("=")}
        for each in status.details
    ]
    code = "canceled" if status.code == Code.CANCELLED else Code(status.code).name.lower()
    return {"code": code, "message": status.message, **({"details": details} if details else {})}


def check_version(given: bytes | None) -> None:
    """Refuse a version of the protocol other than 1.

    Raises:
        Problem: 400.
    """
    if given not in {None, b"1"}:
        raise _wrong_header(b"connect-protocol-version", "only version 1 is known")


def timeout_s(exchange: Exchange) -> float | None:
    """The client's ``connect-timeout-ms`` in seconds, or None if it gave none.

    Raises:
        Problem: 400 for anything but one to ten digits.
    """
    given = exchange.headers.get(b"connect-timeout-ms")
    if given is None:
        return None
    if not _MILLIS.fullmatch(given):
        raise _wrong_header(b"connect-timeout-ms", "one to ten digits are wanted")
    return int(given) / _THOUSAND


def from_query(query: bytes, max_bytes: int) -> tuple[bytes, bytes]:
    """The content type and the message of a call by GET.

    Raises:
        Problem: 400 or 415; a parameter is missing or wrong.
    """
    values = dict(read_pairs(query))
    encoding, text = values.get("encoding"), values.get("message")
    if encoding not in {"json", "proto"} or text is None:
        raise malformed("is in the query: message, and encoding=json or encoding=proto, are wanted")
    if values.get("connect", "v1") != "v1":
        raise malformed("is in the query: only connect=v1 is known")
    data = text.encode()
    if values.get("base64") == "1":
        try:
            data = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars="-_", validate=True)
        except (binascii.Error, ValueError):
            raise malformed("is in the query: message is not URL-safe base64") from None
    compression = values.get("compression", "").encode()
    if compression not in ENCODINGS:
        raise Problem(
            Code.UNIMPLEMENTED, Reason.UNSUPPORTED_CONTENT_ENCODING, "Messages may be compressed with gzip only."
        )
    return f"application/{encoding}".encode(), unpack(data, max_bytes) if compression == b"gzip" else data


def _wrong_header(name: bytes, why: str) -> Problem:
    text = name.decode()
    return Problem(
        Code.INVALID_ARGUMENT,
        Reason.INVALID_HEADER,
        f"The header {text} is not acceptable: {why}.",
        violations=[Violation(text, why)],
    )
