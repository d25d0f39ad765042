"""h2's connection state without what costs much and brings nothing here: the fast wire's (README, T3 to T9).

Reaches names that h2 does not promise; `pins.py` checks them.
"""

import h2.stream
from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, WindowUpdated
from h2.exceptions import StreamClosedError, StreamIDTooLowError
from h2.stream import H2StreamStateMachine, StreamInputs, StreamState
from hyperframe.frame import DataFrame, Frame, HeadersFrame, RstStreamFrame, WindowUpdateFrame

from firewalker.runtime.grpc.h2state import HardenedH2
from firewalker.runtime.grpc.h2streams import IsolatedStream
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.quickframes import QuickFrameBuffer
from firewalker.runtime.grpc.seen_blocks import RememberingDecoder

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
    """The same as `HardenedH2`, quicker."""

    decoder: RememberingDecoder
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

    def _receive_headers_frame(self, frame: HeadersFrame) -> tuple[list[Frame], list[Event]]:
        """What h2 does, at once where a header block that was just seen opens the next stream, as most calls begin."""
        stream_id = frame.stream_id
        seen = self.decoder.seen(frame.data)
        flags = frame.flags
        if (
            seen is None
            or not seen.opens
            or stream_id <= self.highest_inbound_stream_id
            or not stream_id % 2
            or "END_STREAM" in flags
            or "PRIORITY" in flags
            or self.state_machine.state is not ConnectionState.SERVER_OPEN
            or not (self._requests + 1) % _FORGET_EVERY
        ):
            found: tuple[list[Frame], list[Event]] = super()._receive_headers_frame(frame)
            return found
        self._requests += 1
        stream = IsolatedStream(
            stream_id, self.config, self.local_settings.initial_window_size, self.remote_settings.initial_window_size
        )
        stream.max_outbound_frame_size = self.max_outbound_frame_size
        machine = stream.state_machine
        machine.state, machine.client, machine.headers_received = StreamState.OPEN, False, True
        self.streams[stream_id] = stream
        self.highest_inbound_stream_id = stream_id
        return [], [RequestReceived(stream_id=stream_id, headers=seen)]

    def _receive_data_frame(self, frame: DataFrame) -> tuple[list[Frame], list[Event]]:
        """What h2 does, at once where a stream that is open both ways gets DATA and may get any amount of it."""
        stream = self.streams.get(frame.stream_id)
        if (
            stream is None
            or stream.state_machine.state is not StreamState.OPEN
            or stream._expected_content_length is not None  # noqa: SLF001 - pinned
            or "PADDED" in frame.flags
            or self.state_machine.state is not ConnectionState.SERVER_OPEN
        ):
            found: tuple[list[Frame], list[Event]] = super()._receive_data_frame(frame)
            return found
        data = frame.data
        self._inbound_flow_control_window_manager.window_consumed(len(data))
        stream._inbound_window_manager.window_consumed(len(data))  # noqa: SLF001 - pinned
        event = DataReceived(stream_id=frame.stream_id, data=data, flow_controlled_length=len(data))
        if "END_STREAM" not in frame.flags:
            return [], [event]
        stream.state_machine.state = StreamState.HALF_CLOSED_REMOTE
        event.stream_ended = StreamEnded(stream_id=frame.stream_id)
        return [], [event, event.stream_ended]

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
