"""Reading the body of a request: under a size cap and a time limit, gzip undone under the same cap."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from transcoder.errors import Code, Problem, Reason

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_GZIP: Final = 16 + zlib.MAX_WBITS

_DISCARD_BYTES: Final = 16 << 20
_DISCARD_S: Final = 2.0
"""How much of a refused body is read and thrown away, and for how long. Closing a socket with unread bytes resets it, and
the client, still sending, would see the reset instead of the 413."""


class ClientGone(Exception):
    """The client went away before its request was whole; there is nobody to answer."""


async def read_body(receive: Receive, headers: dict[bytes, bytes], *, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body, decoded.

    *max_bytes* holds for what travels and for what it unpacks to. *timeout_s* is for the whole body.

    Raises:
        Problem: 413, 408, 415 for an encoding other than gzip, 400 for broken gzip.
        ClientGone: The connection ended early.
    """
    length = headers.get(b"content-length")
    if length is None and b"transfer-encoding" not in headers:
        return b""
    if length is not None and (not length.isdigit() or int(length) > max_bytes):
        await _discard(receive)
        raise _too_large(max_bytes)
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding not in {b"identity", b"gzip", b"x-gzip"}:
        raise Problem(
            Code.INVALID_ARGUMENT,
            Reason.UNSUPPORTED_CONTENT_ENCODING,
            "The body may be encoded with gzip only.",
            http=415,
            headers=[(b"accept-encoding", b"gzip")],
        )
    try:
        async with asyncio.timeout(timeout_s):
            body = await _whole(receive, max_bytes)
    except TimeoutError:
        raise Problem(
            Code.DEADLINE_EXCEEDED,
            Reason.REQUEST_TIMEOUT,
            "The body took too long to arrive.",
            http=408,
            headers=[(b"connection", b"close")],
        ) from None
    return body if encoding == b"identity" else unpack(body, max_bytes)


async def _whole(receive: Receive, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise ClientGone
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            if event.get("more_body", False):
                await _discard(receive)
            raise _too_large(max_bytes)
        if not event.get("more_body", False):
            return bytes(chunk) if not chunks else b"".join([*chunks, chunk])
        chunks.append(chunk)


async def _discard(receive: Receive) -> None:
    """Let a client that is still sending finish, within bounds, so that it reads the refusal."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_S):
            while size < _DISCARD_BYTES:
                event = await receive()
                size += len(event.get("body", b""))
                if event["type"] != "http.request" or not event.get("more_body", False):
                    return


def unpack(body: bytes, max_bytes: int) -> bytes:
    """Undo gzip.

    Raises:
        Problem: 413 for more than *max_bytes*, 400 for what is not one whole gzip stream.
    """
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(body, max_bytes + 1)
    except zlib.error:
        raise _bad_gzip() from None
    if len(plain) > max_bytes:
        raise _too_large(max_bytes)
    if not unpacker.eof or unpacker.unused_data:
        raise _bad_gzip()
    return plain


def _bad_gzip() -> Problem:
    return Problem(Code.INVALID_ARGUMENT, Reason.MALFORMED_BODY, "The body is not one whole gzip stream.")


def _too_large(max_bytes: int) -> Problem:
    return Problem(
        Code.RESOURCE_EXHAUSTED,
        Reason.REQUEST_TOO_LARGE,
        f"The body may have at most {max_bytes} bytes.",
        http=413,
        headers=[(b"connection", b"close")],
    )
