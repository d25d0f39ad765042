"""h2's connection state, changed where it would end a connection, with all calls on it, over what ends a stream.

Reaches names that h2 and hpack do not promise; `pins.py` checks them.
"""

from typing import cast

from h2.connection import AllowedStreamIDs, H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.settings import SettingCodes
from h2.stream import H2Stream
from hyperframe.frame import Frame, GoAwayFrame

from firewalker.runtime.grpc.fragments import BoundedFrameBuffer
from firewalker.runtime.grpc.h2streams import IsolatedStream
from firewalker.runtime.grpc.limits import Limits


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

    def allow(self, frames: int) -> None:
        """Receive so many frames, by weight, at the next call of `receive_data`; more wait for the one after it."""
        cast("BoundedFrameBuffer", self.incoming_buffer).allowance = frames

    @property
    def behind(self) -> bool:
        """Whether frames may have come that were not received yet."""
        return cast("BoundedFrameBuffer", self.incoming_buffer).behind

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
