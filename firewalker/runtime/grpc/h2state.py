"""h2's connection state, changed where it would end a connection, with all calls on it, over what ends a stream.

Reaches names that h2 and hpack do not promise; `pins.py` checks them.
"""

from collections.abc import Iterable
from typing import Any

import hpack.hpack
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.exceptions import StreamClosedError, StreamIDTooLowError
from hpack.hpack import Decoder
from hyperframe.frame import Frame, GoAwayFrame, RstStreamFrame


class HardenedH2(H2Connection):
    """h2 for both sides of a connection."""

    @property
    def open_inbound_streams(self) -> int:
        """Open streams of the peer, always under the limit, so that a late one is ours to refuse (README, D4).

        h2 also forgets closed streams here.
        """
        return min(super().open_inbound_streams, self.local_settings.max_concurrent_streams - 1)

    def queue_goaway(self, last_stream: int, code: ErrorCodes) -> None:
        """Queue a GOAWAY and stay able to send: h2 itself would count the connection as closed (README, D8)."""
        frame = GoAwayFrame(0)
        frame.last_stream_id = last_stream
        frame.error_code = code
        self._prepare_for_sending([frame])

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        """Tell of the GOAWAY, and stay able to finish what is open: h2 itself would close (README, D9)."""
        try:
            code: ErrorCodes | int = ErrorCodes(frame.error_code)
        except ValueError:
            code = frame.error_code
        event = ConnectionTerminated()
        event.error_code = code
        event.last_stream_id = frame.last_stream_id
        event.additional_data = frame.additional_data or None
        return [], [event]


_FORGET_EVERY = 64


class FastH2(HardenedH2):
    """The same, without what costs much and brings nothing here (README, T1 to T4)."""

    _requests = 0

    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        limit = self.decoder.max_header_list_size
        self.decoder = RememberingDecoder()
        self.decoder.max_header_list_size = limit

    @property
    def open_inbound_streams(self) -> int:
        """None, as far as h2's own limit goes. Going through all streams to forget the closed is done now and then."""
        self._requests += 1
        return super().open_inbound_streams if self._requests % _FORGET_EVERY == 0 else 0

    def _receive_frame(self, frame: Frame) -> list[Event]:
        """What h2 does, without formatting every frame for a log that nobody reads."""
        try:
            frames, events = self._frame_dispatch_table[frame.__class__](frame)
        except (StreamClosedError, StreamIDTooLowError) as error:
            return self._receive_late(error)
        if frames:
            self._prepare_for_sending(frames)
        found: list[Event] = events
        return found

    def _receive_late(self, error: StreamClosedError | StreamIDTooLowError) -> list[Event]:
        """A frame of a closed stream: an error of that stream if a reset closed it, else of the connection."""
        closed = isinstance(error, StreamClosedError)
        if self._stream_is_closed_by_reset(error.stream_id):
            frame = RstStreamFrame(error.stream_id)
            frame.error_code = error.error_code if closed else ErrorCodes.STREAM_CLOSED
            self._prepare_for_sending([frame])
            return list(error._events) if isinstance(error, StreamClosedError) else []  # noqa: SLF001 - pinned
        if not closed and self._stream_is_closed_by_end(error.stream_id):
            raise StreamClosedError(error.stream_id) from error
        raise error


_REMEMBERED_BLOCKS = 32
_REMEMBERED_BYTES = 512


class RememberingDecoder(Decoder):
    """Knows the last header blocks again: calls of one client mostly open with the very same bytes.

    What a block means depends on its bytes and on the dynamic table alone, so what is remembered is good until the
    table changes. Blocks that change it are never remembered.
    """

    def __init__(self) -> None:
        super().__init__()
        self._remembered: dict[bytes, list[Any]] = {}

    def decode(self, data: bytes | memoryview, raw: bool = False) -> Iterable[Any]:  # noqa: FBT001, FBT002 - hpack's
        """The headers of a block."""
        known = self._remembered.get(data) if raw and isinstance(data, bytes) else None
        if known is not None:
            return known
        before = self._table_state()
        headers = list(super().decode(bytes(data), raw))
        if self._table_state() != before:
            self._remembered.clear()
        elif raw and len(data) <= _REMEMBERED_BYTES:
            if len(self._remembered) >= _REMEMBERED_BLOCKS:
                self._remembered.clear()
            self._remembered[bytes(data)] = headers
        return headers

    def _table_state(self) -> tuple[int, int, int]:
        """Differs whenever the dynamic table does: every insertion puts a new object in front."""
        entries = self.header_table.dynamic_entries
        return (id(entries[0]) if entries else 0, len(entries), self.header_table.maxsize)


class _Silence:
    """Takes hpack's debug messages: 20 for each request, each costing a look at the logging configuration."""

    def debug(self, *_: object) -> None:
        """Say nothing."""


def silence_hpack() -> None:
    """Switch hpack's debug messages off for this process."""
    hpack.hpack.log = _Silence()  # type: ignore[assignment]
