"""Messages in a body, each behind a byte of flags and its length: the same in gRPC, gRPC-Web and Connect's streams."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from transcoder.bodies import unpack
from transcoder.errors import Code, Problem, Reason

_prefix: Final = struct.Struct(">BI")
_COMPRESSED: Final = 1
ENCODINGS: Final = frozenset({b"", b"identity", b"gzip"})
"""How messages of a request may be compressed."""


def envelope(flags: int, data: bytes) -> bytes:
    """*data* behind its flags and length."""
    return _prefix.pack(flags, len(data)) + data


def messages(body: bytes, encoding: bytes, max_bytes: int) -> list[bytes]:
    """The messages in *body*, decompressed; *max_bytes* is for all of them together.

    Raises:
        Problem: INVALID_ARGUMENT for a body that is cut off or has flags that mean nothing, UNIMPLEMENTED for an
            unknown *encoding*, RESOURCE_EXHAUSTED for too much.
    """
    if encoding not in ENCODINGS:
        raise Problem(
            Code.UNIMPLEMENTED, Reason.UNSUPPORTED_CONTENT_ENCODING, "Messages may be compressed with gzip only."
        )
    found: list[bytes] = []
    left = max_bytes
    for flags, data in _split(body):
        plain = data
        if flags == _COMPRESSED:
            if encoding != b"gzip":
                raise malformed("has a compressed message, and no header names the compression")
            plain = unpack(data, left)
        elif flags:
            raise malformed("has a message with flags that mean nothing in a request")
        left -= len(plain)
        found.append(plain)
    return found


def malformed(what: str) -> Problem:
    """A 400: the body is not what its content type says."""
    return Problem(Code.INVALID_ARGUMENT, Reason.MALFORMED_BODY, f"The body {what}.")


def _split(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        if len(body) - at < _prefix.size:
            raise malformed("ends inside the prefix of a message")
        flags, size = _prefix.unpack_from(body, at)
        at += _prefix.size
        if len(body) - at < size:
            raise malformed("ends inside a message")
        yield flags, body[at : at + size]
        at += size
