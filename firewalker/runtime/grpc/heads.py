"""The headers that open a request: checked as HTTP/2 and as gRPC, read into a `RequestHead`. Bytes throughout.

h2's own validation is off: it would drop the connection, with all calls on it, for one bad request.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_NAMES = re.compile(rb"(?::(?:method|scheme|path|authority)\n)*(?:[!#$%&'*+\-.^_`|~0-9a-z]+\n)*")
_CONNECTION_SPECIFIC = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_SINGLE = frozenset(
    (b"authorization", b"content-length", b"content-type", b"grpc-encoding", b"grpc-timeout", b"te", b"x-request-id")
)
_GRPC = b"application/grpc"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.\-]{1,64}")


class MalformedHead(Exception):
    """The request breaks HTTP/2 (RFC 9113, section 8); its stream is reset."""


class NotGrpc(Exception):
    """An HTTP request, but no gRPC call; it gets an HTTP status."""

    def __init__(self, http_status: int, message: str) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.message = message


class SeenBlock(list[tuple[bytes, bytes]]):
    """The headers of a block whose very bytes came before: what they say is read once. Nobody changes it."""

    __slots__ = ("head", "opens")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__(headers)
        self.head: RequestHead | None = None
        """What `RequestHead.read` made of it; None before that, and where it is refused."""
        names = {name for name, _ in self}
        self.opens = b":status" not in names and b"content-length" not in names
        """Whether h2 would keep nothing of it but that it came."""


class RequestHead(NamedTuple):
    """What the server wants to know of a request's headers."""

    path: bytes
    timeout: bytes | None
    """`grpc-timeout`, unread."""
    authorization: bytes
    """Empty for none."""
    request_id: str
    """The client's `x-request-id` if it is a short word, else empty."""
    encoding: bytes = b""
    """`grpc-encoding`: how messages may come compressed. Empty for none."""
    accept_encoding: bytes = b""
    """`grpc-accept-encoding`, unread. Empty for none."""
    traceparent: bytes = b""
    """Unread. Empty for none."""
    fields: Sequence[tuple[bytes, bytes]] = ()
    """All of them, as they came."""

    @classmethod
    def read(cls, headers: Iterable[tuple[bytes, bytes]]) -> "RequestHead":
        """Check and read the header list of a request.

        Raises:
            MalformedHead: It is not HTTP/2.
            NotGrpc: It is not gRPC.
        """
        seen = headers if type(headers) is SeenBlock else None
        if seen is not None and seen.head is not None:
            return seen.head
        pairs = list(headers)
        # Few operations on the whole instead of many on each field: this is on the path of every call.
        if not _NAMES.fullmatch(b"".join([name + b"\n" for name, _ in pairs])):
            raise MalformedHead("a name is malformed or a pseudo-header out of place")
        if _forbidden(b"\t".join([value for _, value in pairs])):
            raise MalformedHead("a value has a forbidden byte")
        fields = dict(pairs)
        if len(fields) != len(pairs):
            _refuse_doubles(pairs)
        if not _CONNECTION_SPECIFIC.isdisjoint(fields):
            raise MalformedHead("a header speaks of the connection")
        if fields.get(b"te", b"trailers") != b"trailers":
            raise MalformedHead("te may say trailers alone")
        if not fields.get(b"content-length", b"0").isdigit():
            raise MalformedHead("the content-length is no number")
        path = fields.get(b":path")
        method = fields.get(b":method")
        if not path or not method or b":scheme" not in fields:
            raise MalformedHead("a pseudo-header is missing")
        _require_grpc(method, fields)
        request_id = fields.get(b"x-request-id", b"")
        head = cls(
            path=path,
            timeout=fields.get(b"grpc-timeout"),
            authorization=fields.get(b"authorization", b""),
            request_id=request_id.decode("ascii") if _REQUEST_ID.fullmatch(request_id) else "",
            encoding=fields.get(b"grpc-encoding", b""),
            accept_encoding=fields.get(b"grpc-accept-encoding", b""),
            traceparent=fields.get(b"traceparent", b""),
            fields=pairs,
        )
        if seen is not None:
            seen.head = head
        return head


def are_trailers(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a header list may end a request: regular fields alone. What they say is not used."""
    for name, value in headers:
        if name[:1] == b":" or not _NAMES.fullmatch(name + b"\n") or _forbidden(value):
            return False
    return True


def _forbidden(value: bytes) -> bool:
    # Three searches for a byte are a third of what one for a set of them costs.
    return b"\n" in value or b"\r" in value or b"\x00" in value


def _refuse_doubles(pairs: list[tuple[bytes, bytes]]) -> None:
    """Pseudo-headers, and headers that decide something here, may come once."""
    seen: set[bytes] = set()
    for name, _ in pairs:
        if name in seen and (name in _SINGLE or name[:1] == b":"):
            raise MalformedHead(f"two of {name!r}")
        seen.add(name)


def _require_grpc(method: bytes, fields: dict[bytes, bytes]) -> None:
    if method != b"POST":
        raise NotGrpc(405, "gRPC calls are POST requests")
    content_type = fields.get(b"content-type", b"")
    base, _, rest = content_type.partition(b"+")
    if base.partition(b";")[0] != _GRPC or (rest and rest.partition(b";")[0] != b"proto"):
        raise NotGrpc(415, "the content-type must be application/grpc")
    if b"te" not in fields:
        raise NotGrpc(400, 'the header "te: trailers" is missing')


@lru_cache(maxsize=512)
def read_timeout(value: bytes) -> float:
    """The seconds that a `grpc-timeout` means.

    Raises:
        ValueError: Not a number of at most 8 digits and a unit.
    """
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise ValueError("not a grpc-timeout")
    return int(match[1]) * _UNITS_S[match[2]]
