"""How frames leave a server connection: plainly through h2, or fast, past the parts of it that cost most.

Both write the same bytes in meaning; the suite of this layer runs on both. The fast one keeps h2's stream and connection
state in step but builds frames itself: header blocks as stateless literals, one write to the transport per turn of the
event loop. It reaches names that h2 does not promise; `pins.py` checks them at import.
"""

import asyncio
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from struct import Struct

from grpclib.config import Configuration
from grpclib.protocol import Connection
from h2.connection import ConnectionState
from h2.exceptions import StreamClosedError
from h2.stream import StreamInputs

from firewalker.runtime.grpc.h2state import HardenedH2

Headers = Sequence[tuple[bytes, bytes]]
"""A header list, in order; names in lower case."""


class Wire(Enum):
    """Which of the two is used: `FIREWALKER_<SVC>_WIRE`."""

    PLAIN = "plain"
    """h2 as it is. The reference, and the way back if the other misbehaves."""
    FAST = "fast"
    """The same with its expensive parts short-cut."""


class ServerConnection(Connection):
    """grpclib's connection, with frames written plainly through h2."""

    _connection: HardenedH2

    def __init__(self, connection: HardenedH2, transport: asyncio.Transport, *, config: Configuration) -> None:
        super().__init__(connection, transport, config=config)
        self.sent = 0
        """HEADERS and DATA frames that were queued, ever."""
        self.handed_over = 0
        """Bytes that the transport was given, ever."""
        self.blocked: set[asyncio.Event] = set()
        """Set when a window opens: one for each call that waits for that."""
        self.host = ""
        """The client's address, as far as it is known before any header; empty if it has none."""
        self.left = False
        """Whether nothing more may be sent; the connection only waits for its peer to close."""

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self.left or self._transport.is_closing()

    def close(self) -> None:
        """Close the transport, which is gone from here then: nothing may be sent."""
        self.left = True
        super().close()

    def flush(self) -> None:
        """Hand everything queued to the transport, unless the connection was left."""
        if self.left:
            return
        data = self._connection.data_to_send()
        if data:
            self.handed_over += len(data)
            self._transport.write(data)

    def headers_send_process(self) -> None:
        """Count a HEADERS frame."""
        self.sent += 1

    def data_send_process(self) -> None:
        """Count a DATA frame."""
        self.sent += 1

    @property
    def h2(self) -> HardenedH2:
        """The protocol's state."""
        return self._connection

    def window(self, stream_id: int) -> int:
        """Bytes that may be sent on the stream now; at most what the connection allows."""
        return self._connection.local_flow_control_window(stream_id)

    def write_headers(self, stream_id: int, headers: Headers, *, end: bool) -> None:
        """Queue a HEADERS frame. Raises h2's ProtocolError where the stream is not open for it."""
        if stream_id not in self._connection.streams:
            # h2 would try to open it anew.
            raise StreamClosedError(stream_id)
        self._connection.send_headers(stream_id, headers, end_stream=end)
        self.headers_send_process()
        self.flush()

    def write_data(self, stream_id: int, data: bytes) -> None:
        """Queue a DATA frame; *data* fits the window and a frame. Raises h2's ProtocolError if the stream is closed."""
        if stream_id not in self._connection.streams:
            raise StreamClosedError(stream_id)
        self._connection.send_data(stream_id, data)
        self.data_send_process()
        self.flush()

    def flush_now(self) -> None:
        """Hand everything queued to the transport."""
        self.flush()


_FRAME_HEAD = Struct(">HBBBL")
_DATA = 0x0
_HEADERS = 0x1
_END_STREAM = 0x1
_END_HEADERS = 0x4
_SEVEN_BITS = 0x7F
_FLUSH_BYTES = 65_536
"""More than this is handed on at once instead of at the end of the loop's turn, so that back-pressure shows."""


class FastConnection(ServerConnection):
    """Writes frames by hand and flushes once per turn of the event loop."""

    _flush_due = False

    def __init__(self, connection: HardenedH2, transport: asyncio.Transport, *, config: Configuration) -> None:
        super().__init__(connection, transport, config=config)
        self._call_soon = asyncio.get_running_loop().call_soon

    def flush(self) -> None:
        """Hand what is queued to the transport when this turn of the loop is over."""
        pending = len(self._connection._data_to_send)  # noqa: SLF001 - pinned
        if not pending:
            return
        if pending >= _FLUSH_BYTES:
            super().flush()
        elif not self._flush_due:
            self._flush_due = True
            self._call_soon(self._flush_at_end)

    def flush_now(self) -> None:
        """Hand everything queued to the transport."""
        super().flush()

    def _flush_at_end(self) -> None:
        self._flush_due = False
        if not self.is_closing():
            super().flush()

    def window(self, stream_id: int) -> int:
        """Bytes that may be sent on the stream now; at most what the connection allows."""
        stream = self._connection.streams.get(stream_id)
        if stream is None:
            raise StreamClosedError(stream_id)
        return min(self._connection.outbound_flow_control_window, stream.outbound_flow_control_window)

    def write_headers(self, stream_id: int, headers: Headers, *, end: bool) -> None:
        """Queue a HEADERS frame. Raises h2's ProtocolError where the stream is not open for it."""
        h2 = self._connection
        block = b"".join([_CONSTANT.get(header) or _literal(*header) for header in headers])
        if len(block) > h2.max_outbound_frame_size or h2.encoder.table_size_changes:
            # Rare: a block that needs CONTINUATION, or one that has to tell of a new table size first.
            super().write_headers(stream_id, headers, end=end)
            return
        stream = h2.streams.get(stream_id)
        if stream is None or h2.state_machine.state is not ConnectionState.SERVER_OPEN:
            raise StreamClosedError(stream_id)
        stream.state_machine.process_input(StreamInputs.SEND_HEADERS)
        flags = _END_HEADERS
        if end:
            stream.state_machine.process_input(StreamInputs.SEND_END_STREAM)
            flags |= _END_STREAM
        self._frame(_HEADERS, flags, stream_id, block)
        self.sent += 1

    def write_data(self, stream_id: int, data: bytes) -> None:
        """Queue a DATA frame; *data* fits the window and a frame. Raises h2's ProtocolError if the stream is closed."""
        h2 = self._connection
        stream = h2.streams.get(stream_id)
        if stream is None or h2.state_machine.state is not ConnectionState.SERVER_OPEN:
            raise StreamClosedError(stream_id)
        stream.state_machine.process_input(StreamInputs.SEND_DATA)
        stream.outbound_flow_control_window -= len(data)
        h2.outbound_flow_control_window -= len(data)
        self._frame(_DATA, 0, stream_id, data)
        self.sent += 1

    def _frame(self, kind: int, flags: int, stream_id: int, body: bytes) -> None:
        length = len(body)
        queue = self._connection._data_to_send  # noqa: SLF001 - pinned
        queue += _FRAME_HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream_id)
        queue += body
        self.flush()


@lru_cache(maxsize=512)
def _literal_name(name: bytes) -> bytes:
    return b"\x00" + _integer(len(name)) + name


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field as HPACK "literal without indexing, new name" (RFC 7541, 6.2.2): needs no table, changes none."""
    return _literal_name(name) + _integer(len(value)) + value


def _integer(value: int) -> bytes:
    """A length with a 7-bit prefix (RFC 7541, 5.1), no Huffman code."""
    if value < _SEVEN_BITS:
        return bytes((value,))
    value -= _SEVEN_BITS
    encoded = bytearray((_SEVEN_BITS,))
    while value > _SEVEN_BITS:
        encoded.append(value & _SEVEN_BITS | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_CONSTANT = {
    # The eighth entry of HPACK's static table.
    (b":status", b"200"): b"\x88",
    **{field: _literal(*field) for field in ((b"content-type", b"application/grpc"), (b"grpc-status", b"0"))},
}
"""Fields of nearly every answer, as they are written."""
