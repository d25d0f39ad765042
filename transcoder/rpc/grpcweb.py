"""gRPC-Web: gRPC's frames in HTTP/1.1 bodies, binary or as base64 text; the status is a last frame of the answer."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from transcoder import metadata
from transcoder.errors import Headers
from transcoder.exchange import Exchange
from transcoder.rpc.envelopes import envelope, malformed
from transcoder.rpc.methods import Method

_TRAILERS: Final = 0x80
_UNQUOTED: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
"""What ``grpc-message`` carries as it is."""

_PIECE: Final = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
"""What a client wrote at once: each piece may have padding of its own."""

_TEXT: Final = b"application/grpc-web-text"
KINDS: Final = frozenset(
    {b"application/grpc-web", b"application/grpc-web+proto", _TEXT, _TEXT + b"+proto"},
)


class GrpcWeb:
    """One call by gRPC-Web: how its request is read, and the format of its answer."""

    keepalive = b""
    cuts_on_error = False

    def __init__(self, kind: bytes, method: Method, visible: Callable[[Headers], Headers]) -> None:
        self.content_type = kind
        self._method = method
        self._is_text = kind.startswith(_TEXT)
        self._visible = visible

    @staticmethod
    def encoding(exchange: Exchange) -> bytes:
        """How messages of the request are compressed."""
        return exchange.headers.get(b"grpc-encoding", b"")

    @staticmethod
    def timeout_s(exchange: Exchange) -> float | None:
        """The deadline that the client wants."""
        return metadata.client_timeout_s(exchange.headers)

    def body(self, body: bytes) -> bytes:
        """The frames in a request's body.

        Raises:
            Problem: 400 for text that is not base64.
        """
        if not self._is_text:
            return body
        pieces = _PIECE.findall(body)
        if sum(map(len, pieces)) != len(body):
            raise malformed("is not base64")
        try:
            return b"".join(map(base64.b64decode, pieces))
        except binascii.Error:
            raise malformed("is not base64") from None

    def message(self, data: bytes) -> bytes:
        """A request's message as protobuf: that is what it is.

        Raises:
            Problem: 400; it is not.
        """
        return self._method.checked(data)

    def record(self, data: bytes) -> bytes:
        """One message."""
        return self._written(envelope(0, data))

    def status(self, status: Any) -> bytes:
        """What ended a call early, as trailers."""
        lines = [b"grpc-status: %d" % status.code, b"grpc-message: " + quote(status.message, safe=_UNQUOTED).encode()]
        if status.details:
            packed = base64.b64encode(status.SerializeToString()).rstrip(b"=")
            lines.append(b"grpc-status-details-bin: " + packed)
        return _block(lines)

    def error(self, status: bytes) -> bytes:
        """The trailers of a call that failed."""
        return self._written(envelope(_TRAILERS, status))

    def end(self, trailers: Headers) -> bytes:
        """The trailers of a call that went well."""
        lines = [b"grpc-status: 0", *(name + b": " + value for name, value in self._visible(trailers))]
        return self._written(envelope(_TRAILERS, _block(lines)))

    def _written(self, data: bytes) -> bytes:
        return base64.b64encode(data) if self._is_text else data


def _block(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)
