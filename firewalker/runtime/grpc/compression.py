"""Compressed messages: gzip, both ways. What may be sent how is decided in `call.py`; here are the bytes.

A message is inflated when its turn comes, not when it arrives, and never past the method's limit: a bomb costs the
bytes that the client has sent and one limit.
"""

import zlib

from firewalker.kernel.faults import MalformedMessage, MessageTooLarge

GZIP = b"gzip"
"""The one encoding beside identity, as `grpc-encoding` names it. RFC 1952."""

ENCODINGS = frozenset((b"identity", GZIP))
"""What `grpc-encoding` may say; anything else is refused, with `ACCEPTED` in the answer."""

ACCEPTED = (b"grpc-accept-encoding", b"identity,gzip")
"""The header that tells a client what it may send."""

ENCODING = (b"grpc-encoding", GZIP)
"""The header that tells a client that messages of the answer may be compressed."""

MIN_BYTES = 512
"""Shorter messages are sent as they are: gzip's 18 bytes of frame and some 20 µs buy nothing there."""

_GZIP_ONLY = 16 + zlib.MAX_WBITS
_LEVEL = 1
"""For boards and inbox pages level 6 is smaller by a tenth and three times as slow."""


class Packed(bytes):
    """A message as it came, still compressed."""

    __slots__ = ()


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether a client that sent this `grpc-accept-encoding` takes gzip."""
    return GZIP in (word.strip() for word in accept_encoding.split(b","))


def inflate(data: bytes, limit: int) -> bytes:
    """The message in *data*, at most *limit* bytes.

    Several gzip members one after the other are one message (RFC 1952, 2.2).

    Raises:
        MessageTooLarge: It is longer; known as soon as one byte more comes out.
        MalformedMessage: It is no gzip, is cut short, or its checksum is wrong.
    """
    if not data:
        raise MalformedMessage
    pieces: list[bytes] = []
    left = limit
    while data:
        member = zlib.decompressobj(_GZIP_ONLY)
        try:
            piece = member.decompress(data, left + 1)
        except zlib.error:
            raise MalformedMessage from None
        if len(piece) > left:
            raise MessageTooLarge
        if not member.eof:
            raise MalformedMessage
        pieces.append(piece)
        left -= len(piece)
        data = member.unused_data
    return b"".join(pieces)


def deflate(data: bytes) -> bytes | None:
    """*data* compressed; None where that would not make it shorter."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_ONLY)
    packed = packer.compress(data) + packer.flush()
    return packed if len(packed) < len(data) else None
