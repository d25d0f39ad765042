"""One HTTP/2 stream of a call: grpclib's, with waiters that are woken instead of cancelled when it ends early.

grpclib's own client cancels the waiting task and turns that into an error, which cannot be told from a cancellation
from outside. The connection under it is :mod:`transcoder.link`.
"""

from __future__ import annotations

import asyncio
from functools import partial

from grpclib.protocol import Buffer, Connection, Stream
from h2.connection import H2Connection
from hpack import HeaderTuple

RequestHeaders = list[HeaderTuple | tuple[bytes, bytes]]
"""Headers and metadata of a call, in the order they are sent; pseudo-headers first."""


class Lost(Exception):
    """The call ended without a status. *unsent*: the backend never began it, so repeating it is safe."""

    def __init__(self, why: str, *, unsent: bool) -> None:
        super().__init__(why)
        self.unsent = unsent


class CallStream(Stream):
    """An HTTP/2 stream whose waiters are woken, never cancelled, when it ends early."""

    def __init__(self, connection: Connection, h2: H2Connection, transport: asyncio.Transport) -> None:
        super().__init__(connection, h2, transport)
        self.ended = False
        self.failure: Exception | None = None

    def init_stream(self, stream_id: int, connection: Connection) -> None:
        """Give the stream its number; bytes read after the connection is gone are not acknowledged."""
        super().init_stream(stream_id, connection)
        self.buffer = Buffer(partial(_acknowledge, connection, stream_id))

    def fail(self, failure: Exception) -> None:
        """End the stream for its readers; what has ended already stays as it is."""
        if self.failure is None and not self.ended:
            self.failure = failure
            if self.id is not None:
                self.buffer.eof()
            self._wake()

    def check(self) -> None:
        """Raise what ended the stream early, if anything did."""
        if self.failure is not None:
            raise self.failure

    def __ended__(self) -> None:
        if self.failure is None:
            self.ended = True
            super().__ended__()
            self._wake()

    def __terminated__(self, reason: str) -> None:
        self.fail(Lost(reason, unsent=False))

    def _wake(self) -> None:
        self.headers_received.set()
        self.trailers_received.set()
        self.window_updated.set()


def _acknowledge(connection: Connection, stream_id: int, size: int) -> None:
    if not connection.is_closing():
        connection.ack(stream_id, size)
