"""A gRPC call to a backend, whichever of its links carries it.

A call that the backend never began (refused, or on a link that was going away) is offered again; nothing else is ever
repeated here.
"""

from __future__ import annotations

from typing import Final

from transcoder.backends import Backend
from transcoder.call import LinkCall
from transcoder.callstream import Lost, RequestHeaders
from transcoder.errors import Code, Headers, Problem, Reason

_ATTEMPTS: Final = 3
"""Times a call is offered to a backend that did not begin it: on a draining link, on a fresh one, and once more."""

_FIXED: Final = (
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"transcoder/1"),
)


class Call:
    """One gRPC call to a backend, repeated on another link if the backend never began it."""

    def __init__(self, backend: Backend, max_message_bytes: int) -> None:
        self._backend = backend
        self._max_message_bytes = max_message_bytes
        self._current: LinkCall | None = None
        self._failure: Exception | None = None

    @property
    def headers(self) -> Headers:
        """Metadata that came before the first message."""
        return [] if self._current is None else self._current.headers

    async def start(self, path: bytes, metadata: RequestHeaders, frames: bytes) -> None:
        """Send the request and wait for the answer's headers.

        Raises:
            Problem: UNAVAILABLE, the backend cannot be reached or went away.
            Fault: The peer is not a gRPC server.
        """
        headers: RequestHeaders = [(b":path", path), (b":authority", self._backend.authority), *_FIXED, *metadata]
        headers[:0] = [(b":method", b"POST"), (b":scheme", self._backend.scheme)]
        for left in reversed(range(_ATTEMPTS)):
            link = await self._backend.link()
            if self._failure is not None:
                raise self._failure
            self._current = LinkCall(link, self._max_message_bytes)
            try:
                await self._current.start(headers, frames)
            except Lost as lost:
                self._current.close()
                if not lost.unsent or not left:
                    raise _went_away() from lost
            else:
                return

    async def message(self) -> bytes | None:
        """The next message, or None at the end.

        Raises:
            Problem: It is too large, or the backend went away.
        """
        if self._current is None:
            return None
        try:
            return await self._current.message()
        except Lost as lost:
            raise _went_away() from lost

    async def finish(self) -> Headers:
        """Wait for the status; the trailing metadata if it is OK.

        Raises:
            Fault: Any other status.
            Problem: The backend went away.
        """
        if self._current is None:
            return []
        try:
            return await self._current.finish()
        except Lost as lost:
            raise _went_away() from lost

    def fail(self, failure: Exception) -> None:
        """Make whoever waits for this call see *failure* instead."""
        self._failure = failure
        if self._current is not None:
            self._current.fail(failure)

    def close(self) -> None:
        """Let go of the call; one that is not over is cancelled at the backend."""
        if self._current is not None:
            self._current.close()
            self._backend.trim()


def _went_away() -> Problem:
    return Problem(
        Code.UNAVAILABLE,
        Reason.BACKEND_UNAVAILABLE,
        "The service behind this method went away during the call.",
        retry_after_s=1,
    )
