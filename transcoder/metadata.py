"""What of the HTTP headers travels on: allow-lists in both directions, request ids, deadlines, the client's address."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Final

from hpack import NeverIndexedHeaderTuple

from transcoder.callstream import RequestHeaders
from transcoder.errors import Code, Headers, Problem, Reason, Violation

REQUEST_ID: Final = b"x-request-id"
_FORWARDED_FOR: Final = b"x-forwarded-for"
_LONGEST_FORWARDED: Final = 1024
"""Longest ``x-forwarded-for`` taken over, in bytes: room for some thirty hops; a longer one is not believable."""

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_PRINTABLE: Final = re.compile(rb"[ -~]*")
_TIMEOUT: Final = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNIT_S: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MOST_DIGITS: Final = 99_999_999
"""Largest number in a ``grpc-timeout``: the protocol allows eight digits."""

_NEVER_FORWARDED: Final = frozenset(
    {
        *("te", "host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "trailer"),
        *("content-length", "content-type", "content-encoding", "user-agent", "x-request-id", "x-forwarded-for"),
    }
)


class MetadataPolicy:
    """Which request headers become metadata and which response metadata become headers."""

    def __init__(self, *, forwarded: Iterable[str], returned: Iterable[str]) -> None:
        self._forwarded = tuple(name.encode() for name in forwarded)
        self._returned = frozenset(name.encode() for name in returned)

    def outgoing(self, headers: dict[bytes, bytes], request_id: bytes, client: str) -> RequestHeaders:
        """Metadata of the gRPC call.

        All of it is sent without entering the header compression table, which several users' calls share.

        Raises:
            Problem: 400 for a value that gRPC cannot carry (anything but printable ASCII).
        """
        found: RequestHeaders = [NeverIndexedHeaderTuple(REQUEST_ID, request_id)]
        for name in self._forwarded:
            value = headers.get(name)
            if value is not None:
                if not _PRINTABLE.fullmatch(value):
                    raise _invalid(name, "only printable ASCII can be passed on")
                found.append(NeverIndexedHeaderTuple(name, value.strip()))
        found.append(NeverIndexedHeaderTuple(_FORWARDED_FOR, _forwarded_for(headers, client)))
        return found

    def incoming(self, metadata: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Response headers from the metadata of the answer; binary ones are dropped."""
        if not self._returned:
            return []
        return [
            (name, value)
            for name, value in metadata
            if name in self._returned and _PRINTABLE.fullmatch(value) and not name.endswith(b"-bin")
        ]


def forwardable(name: str) -> bool:
    """Whether a header may stand on an allow-list at all: no hop-by-hop, ``grpc-`` or pseudo-header."""
    return name not in _NEVER_FORWARDED and not name.startswith((":", "grpc-")) and name == name.lower()


def request_id(headers: dict[bytes, bytes]) -> bytes:
    """The client's request id if it is a plausible one, else a new random one."""
    given = headers.get(REQUEST_ID)
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return uuid.uuid4().hex.encode()


def client_timeout_s(headers: dict[bytes, bytes]) -> float | None:
    """The client's ``grpc-timeout`` in seconds, or None if it gave none.

    Raises:
        Problem: 400 for anything but one to eight digits and a unit.
    """
    given = headers.get(b"grpc-timeout")
    if given is None:
        return None
    found = _TIMEOUT.fullmatch(given)
    if found is None:
        raise _invalid(b"grpc-timeout", "one to eight digits and a unit are wanted, like 500m")
    return int(found[1]) * _UNIT_S[found[2]]


def timeout_value(seconds: float) -> bytes:
    """A ``grpc-timeout`` value, in milliseconds where eight digits are enough; at least 1 ms."""
    millis = max(1, int(seconds * 1000))
    return b"%dm" % millis if millis <= _MOST_DIGITS else b"%dS" % min(int(seconds), _MOST_DIGITS)


def _forwarded_for(headers: dict[bytes, bytes], client: str) -> bytes:
    given = headers.get(_FORWARDED_FOR, b"")
    if not given or len(given) > _LONGEST_FORWARDED or not _PRINTABLE.fullmatch(given):
        return client.encode()
    return given + b", " + client.encode()


def _invalid(name: bytes, why: str) -> Problem:
    text = name.decode("latin-1")
    return Problem(
        Code.INVALID_ARGUMENT,
        Reason.INVALID_HEADER,
        f"The header {text} is not acceptable: {why}.",
        violations=[Violation(text, why)],
    )
