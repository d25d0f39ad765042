"""One gRPC call over a link: bytes in, bytes out. Messages are never parsed here.

Deadlines are the caller's (``asyncio.timeout``); a call that is left without being finished is reset.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import unquote

from h2.errors import ErrorCodes
from h2.exceptions import H2Error

from transcoder.callstream import CallStream, Lost, RequestHeaders
from transcoder.errors import Code, Headers, Problem, Reason
from transcoder.link import Link
from transcoder.statuses import Fault

_prefix: Final = struct.Struct(">BI").unpack
_PREFIX_BYTES: Final = 5
_GRPC: Final = b"application/grpc"

_CODE_OF_HTTP: Final = {
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
    429: Code.UNAVAILABLE,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}
"""What a peer (or a proxy before it) means that answers without gRPC; from gRPC's http-grpc-status-mapping.md."""


class LinkCall:
    """A call on one link. Use: :meth:`start`, :meth:`message` until None, :meth:`finish`; always :meth:`close`."""

    def __init__(self, link: Link, max_message_bytes: int) -> None:
        self._link = link
        self._stream = CallStream(link.connection, link.h2, link.transport)
        self._max_message_bytes = max_message_bytes
        self._release: Callable[[], None] | None = None
        self._pending: int | None = None
        self._trailers: Headers | None = None
        self.headers: Headers = []
        """Metadata that came before the first message; empty until :meth:`start` returns."""

    async def start(self, headers: RequestHeaders, frames: bytes) -> None:
        """Send the whole request and wait for the answer's headers.

        Raises:
            Lost: The connection or the stream ended first.
            Fault: The peer is not a gRPC server.
        """
        await self._send(headers, frames)
        stream = self._stream
        if stream.headers is None:
            await stream.headers_received.wait()
        stream.check()
        received = cast("Headers | None", stream.headers)  # bytes, as configured in the link
        if received is None:
            raise Lost("the stream ended without headers", unsent=False)
        found = dict(received)
        if b"grpc-status" in found:
            self._trailers = received
            return
        status = found.get(b":status", b"")
        if status != b"200":
            code = _CODE_OF_HTTP.get(int(status) if status.isdigit() else 0, Code.UNKNOWN)
            raise Fault(code, "The service did not answer as a gRPC service.")
        if not found.get(b"content-type", b"").startswith(_GRPC):
            raise Fault(Code.UNKNOWN, "The service did not answer as a gRPC service.")
        self.headers = received

    async def message(self) -> bytes | None:
        """The next message, or None at the end; then :meth:`finish` tells how it ended.

        Waiting may be cancelled (by a timeout) and taken up again; nothing is lost.

        Raises:
            Problem: The message is larger than allowed, or compressed though nothing was negotiated.
            Lost: The stream ended in the middle.
        """
        if self._trailers is not None:
            return None
        if self._pending is None:
            prefix = await self._read(_PREFIX_BYTES)
            if not prefix:
                return None
            compressed, size = _prefix(prefix)
            if compressed:
                raise Problem(Code.INTERNAL, Reason.BACKEND_PROTOCOL, "The service compressed its answer unasked.")
            if size > self._max_message_bytes:
                raise Problem(
                    Code.RESOURCE_EXHAUSTED,
                    Reason.RESPONSE_TOO_LARGE,
                    f"The answer is larger than {self._max_message_bytes} bytes.",
                )
            self._pending = size
        data = await self._read(self._pending) if self._pending else b""
        if len(data) != self._pending:
            raise Lost("the stream ended inside a message", unsent=False)
        self._pending = None
        return data

    async def finish(self) -> Headers:
        """Wait for the status; the trailing metadata if it is OK.

        Raises:
            Fault: Any other status.
            Lost: The stream ended without one.
        """
        if self._trailers is None:
            stream = self._stream
            if stream.trailers is None:
                await stream.trailers_received.wait()
            stream.check()
            self._trailers = cast("Headers | None", stream.trailers)  # bytes, as configured in the link
            if self._trailers is None:
                raise Lost("the stream ended without a status", unsent=False)
        found = dict(self._trailers)
        status = found.get(b"grpc-status", b"")
        if status == b"0":
            return self._trailers
        code = Code.UNKNOWN
        if status.isdigit() and int(status) in Code.__members__.values():
            code = Code(int(status))
        message = unquote(found.get(b"grpc-message", b"").decode("latin-1"), errors="replace")
        raise Fault(code, message, found.get(b"grpc-status-details-bin", b""))

    def fail(self, failure: Exception) -> None:
        """Make whoever waits for this call see *failure* instead."""
        self._stream.fail(failure)

    def close(self) -> None:
        """Let go of the call; one that is not over is reset, so that the service stops working on it."""
        if self._release is None:
            return
        release, self._release = self._release, None
        if self._stream.closable:
            try:
                self._stream.reset_nowait(ErrorCodes.CANCEL)
            except H2Error:
                self._link.close()
        release()
        self._link.close_if_idle()

    async def _send(self, headers: RequestHeaders, frames: bytes) -> None:
        link, stream, h2 = self._link, self._stream, self._link.h2
        await link.connection.write_ready.wait()
        stream.check()
        if link.room <= 0:
            raise Lost("the link takes no more calls", unsent=True)
        try:
            stream_id = h2.get_next_available_stream_id()
            h2.send_headers(stream_id, headers)
        except H2Error as error:
            link.drain(2**31 - 1)
            raise Lost("the link takes no more calls", unsent=True) from error
        stream.init_stream(stream_id, link.connection)
        self._release = link.processor.register(stream)
        link.connection.headers_send_process()
        rest = memoryview(frames)
        try:
            while True:
                window = min(h2.local_flow_control_window(stream_id), h2.max_outbound_frame_size)
                if window > 0 or not rest:
                    piece, rest = rest[:window], rest[window:]
                    h2.send_data(stream_id, bytes(piece), end_stream=not rest)
                    link.connection.flush()
                    if not rest:
                        return
                else:
                    link.connection.flush()
                    stream.window_updated.clear()
                    await stream.window_updated.wait()
                await link.connection.write_ready.wait()
                stream.check()
                if stream.ended:
                    return  # the service has answered without reading the whole request
        except H2Error as error:
            stream.check()
            raise Lost("the stream broke while sending", unsent=False) from error

    async def _read(self, size: int) -> bytes:
        try:
            data = await self._stream.recv_data(size)
        except AssertionError:  # grpclib's word for an end of stream in the middle
            self._stream.check()
            raise Lost("the stream ended inside a message", unsent=False) from None
        if len(data) != size:
            self._stream.check()
        return data
