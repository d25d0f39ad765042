"""Messages of a call to another service: gzip, and a limit on answers. grpclib's client has neither (README, D1, D16).

Who is called, and what errors mean, is `channel.py`'s.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any

import grpclib.client
import grpclib.protocol
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError

from firewalker.kernel.faults import MalformedMessage, MessageTooLarge
from firewalker.runtime.grpc.compression import ACCEPTED, ENCODING, MIN_BYTES, deflate, inflate
from firewalker.runtime.grpc.repeating import NeverBegan
from firewalker.runtime.grpc.wire import ServerConnection

MAX_ANSWER_BYTES = 4_194_304
"""Largest answer taken, before and after inflating; what gRPC's own clients take."""

_PREFIX = Struct(">BL")


class ClientConnection(ServerConnection):
    """A connection to another service whose calls say which encodings are taken, and used."""

    packs = False
    """Whether requests are compressed where that makes them shorter."""

    def create_stream(self, *, stream_id: int | None = None, wrapper: Any = None) -> "_AnnouncingStream":
        """A stream for a call; used by grpclib.

        Raises:
            NeverBegan: The connection has ended since it was chosen.
        """
        if getattr(self, "_transport", None) is None:  # grpclib takes it away on close
            raise NeverBegan("the connection ended before the call began")
        return _AnnouncingStream(self, self._connection, self._transport, stream_id=stream_id, wrapper=wrapper)


class _AnnouncingStream(grpclib.protocol.Stream):
    connection: ClientConnection

    async def send_request(self, headers: Any, end_stream: bool = False, *, _processor: Any) -> Callable[[], None]:  # noqa: FBT001, FBT002 - grpclib's
        # grpclib takes no metadata that begins with "grpc-".
        said = (ACCEPTED, ENCODING) if self.connection.packs else (ACCEPTED,)
        more = [(name.decode("ascii"), value.decode("ascii")) for name, value in said]
        return await super().send_request([*headers, *more], end_stream, _processor=_processor)


class MessageStream(grpclib.client.Stream[Any, Any]):
    """A call whose messages may be compressed. Connection statistics and grpclib's events are not kept."""

    async def send_message(self, message: Any, *, end: bool = False) -> None:
        """Send a message; *end*, which is implied for a unary request, ends the sending side."""
        if not self._send_request_done:
            await self.send_request()
        ends = end or not self._cardinality.client_streaming
        if self._end_done or (self._send_message_done and not self._cardinality.client_streaming):
            raise ProtocolError("nothing more can be sent")
        data = self._codec.encode(message, self._send_type)
        connection: Any = self._stream.connection
        packed = deflate(data) if connection.packs and len(data) >= MIN_BYTES else None
        framed = _PREFIX.pack(0, len(data)) + data if packed is None else _PREFIX.pack(1, len(packed)) + packed
        with self._wrapper:
            await self._stream.send_data(framed, end_stream=ends)
        self._send_message_done = True
        self._end_done = end

    async def recv_message(self) -> Any:
        """The next message of the answer; None after the last.

        Raises:
            GRPCError: The call ended with another status than OK; RESOURCE_EXHAUSTED if a message is over the limit,
                INTERNAL if one cannot be read.
        """
        if not self._recv_initial_metadata_done:
            await self.recv_initial_metadata()
        with self._wrapper:
            prefix = await self._stream.recv_data(_PREFIX.size)
            if not prefix:
                return None
            flag, length = _PREFIX.unpack(prefix)
            if length > MAX_ANSWER_BYTES:
                raise GRPCError(Status.RESOURCE_EXHAUSTED, f"an answer of {length} bytes")
            data = await self._stream.recv_data(length)
        return self._codec.decode(self._plain(flag, data), self._recv_type)

    def _plain(self, flag: int, data: bytes) -> bytes:
        if not flag:
            return data
        encoding = dict(self._stream.headers or ()).get("grpc-encoding")
        if flag != 1 or encoding != "gzip":
            raise GRPCError(Status.INTERNAL, f"a message with flag {flag} and encoding {encoding!r}")
        try:
            return inflate(data, MAX_ANSWER_BYTES)
        except MessageTooLarge:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, "an answer inflates to too much") from None
        except MalformedMessage:
            raise GRPCError(Status.INTERNAL, "an answer cannot be inflated") from None
