"""h2's connection state, changed where it would end a connection, with all calls on it, over what ends a stream.

Reaches names that h2 and hpack do not promise; `pins.py` checks them.
"""

from collections.abc import Iterable
from typing import Any

import h2.stream
import hpack.hpack
from h2.config import H2Configuration
from h2.connection import AllowedStreamIDs, ConnectionInputs, ConnectionState, H2Connection, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event, WindowUpdated
from h2.exceptions import StreamClosedError, StreamIDTooLowError
from h2.settings import SettingCodes
from h2.stream import H2Stream, H2StreamStateMachine, StreamInputs
from hpack.hpack import Decoder
from hyperframe.frame import Frame, GoAwayFrame, RstStreamFrame, WindowUpdateFrame

from firewalker.runtime.grpc.fragments import BoundedFrameBuffer
from firewalker.runtime.grpc.h2streams import IsolatedStream
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.quickframes import QuickFrameBuffer


class HardenedH2(H2Connection):
    """h2 for both sides of a connection."""

    MAX_CLOSED_STREAMS = 1_024
    """How many ended streams are remembered, and why they ended. h2's own figure, 65 536, is 6 MiB a connection."""

    silent = 0
    """Frames so far that meant nothing to anybody: those of streams that are over. A flood of them is one, too."""

    def bound(self, limits: Limits) -> None:
        """Take no more from the peer than a server's *limits* allow. Before anything was received or sent."""
        self.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = limits.streams
        self.local_settings[SettingCodes.MAX_HEADER_LIST_SIZE] = limits.header_list_bytes
        self.local_settings.acknowledge()
        self.decoder.max_header_list_size = limits.header_list_bytes
        self.incoming_buffer = BoundedFrameBuffer(limits)

    @property
    def open_inbound_streams(self) -> int:
        """Open streams of the peer, always under the limit, so that a late one is ours to refuse (README, D4).

        h2 also forgets closed streams here.
        """
        return min(super().open_inbound_streams, self.local_settings.max_concurrent_streams - 1)

    def _receive_frame(self, frame: Frame) -> list[Event]:
        events: list[Event] = super()._receive_frame(frame)
        if not events:
            self.silent += 1
        return events

    @property
    def unfinished(self) -> bool:
        """Whether a frame or a header block of the peer has begun and not ended."""
        buffer = self.incoming_buffer
        return bool(buffer._data or buffer._headers_buffer)  # noqa: SLF001 - pinned

    def _begin_new_stream(self, stream_id: int, allowed_ids: AllowedStreamIDs) -> H2Stream:
        stream = super()._begin_new_stream(stream_id, allowed_ids)
        if stream_id % 2 and not self.config.client_side:
            stream.__class__ = IsolatedStream
        return stream

    def queue_goaway(self, last_stream: int, code: ErrorCodes, debug: bytes = b"") -> None:
        """Queue a GOAWAY and stay able to send: h2 itself would count the connection as closed (README, D8)."""
        frame = GoAwayFrame(0)
        frame.last_stream_id = last_stream
        frame.error_code = code
        frame.additional_data = debug
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


_STEADY = tuple(
    given
    for (state, given), effect in H2ConnectionStateMachine._transitions.items()  # noqa: SLF001 - pinned
    if state is ConnectionState.SERVER_OPEN and effect == (None, ConnectionState.SERVER_OPEN)
)
"""What an open server connection may receive or send and stay one."""


_OPEN_STREAM = frozenset(
    state
    for (state, given), effect in h2.stream._transitions.items()  # noqa: SLF001 - pinned
    if given is StreamInputs.RECV_WINDOW_UPDATE and effect == (H2StreamStateMachine.window_updated, state)
)
"""States of a stream whose window may be opened, and in which it stays then."""

_MOST_WINDOW = 2**31 - 1
_OPENED: list[Event] = [WindowUpdated(stream_id=0, delta=0)]
"""What opening any window is told by; which, nobody asks."""


class SteadyState(H2ConnectionStateMachine):
    """h2's state of a connection, without its table where that changes nothing: for nearly every frame."""

    def process_input(self, input_: ConnectionInputs) -> list[Event]:
        """Take a frame's kind into account."""
        if self.state is ConnectionState.SERVER_OPEN and input_ in _STEADY:
            return []
        events: list[Event] = super().process_input(input_)
        return events


class FastH2(HardenedH2):
    """The same, without what costs much and brings nothing here (README, T1 to T7)."""

    _requests = 0

    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        limit = self.decoder.max_header_list_size
        self.decoder = RememberingDecoder()
        self.state_machine = SteadyState()
        self.decoder.max_header_list_size = limit

    def bound(self, limits: Limits) -> None:
        """Take no more from the peer than a server's *limits* allow. Before anything was received or sent."""
        super().bound(limits)
        self.incoming_buffer = QuickFrameBuffer(limits)

    @property
    def open_inbound_streams(self) -> int:
        """None, as far as h2's own limit goes. Going through all streams to forget the closed is done now and then."""
        self._requests += 1
        return super().open_inbound_streams if self._requests % _FORGET_EVERY == 0 else 0

    def _receive_window_update_frame(self, frame: WindowUpdateFrame) -> tuple[list[Frame], list[Event]]:
        """What h2 does, without two state machines where they stay as they are: clients open a window or two in each call."""
        if self.state_machine.state is ConnectionState.SERVER_OPEN:
            stream = self.streams.get(frame.stream_id)
            if frame.stream_id == 0:
                window = self.outbound_flow_control_window + frame.window_increment
                if window <= _MOST_WINDOW:
                    self.outbound_flow_control_window = window
                    return [], _OPENED
            elif stream is not None and stream.state_machine.state in _OPEN_STREAM:
                window = stream.outbound_flow_control_window + frame.window_increment
                if window <= _MOST_WINDOW:
                    stream.outbound_flow_control_window = window
                    return [], _OPENED
        found: tuple[list[Frame], list[Event]] = super()._receive_window_update_frame(frame)
        return found

    def _receive_frame(self, frame: Frame) -> list[Event]:
        """What h2 does, without formatting every frame for a log that nobody reads."""
        try:
            frames, events = self._frame_dispatch_table[frame.__class__](frame)
        except (StreamClosedError, StreamIDTooLowError) as error:
            late = self._receive_late(error)
            self.silent += not late
            return late
        if frames:
            self._prepare_for_sending(frames)
        if not events:
            self.silent += 1
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
