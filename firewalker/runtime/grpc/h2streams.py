"""h2's state of one stream, changed where a wrong body would end the connection with all calls on it (README, D17)."""

from h2.errors import ErrorCodes
from h2.events import Event, StreamReset
from h2.exceptions import InvalidBodyLengthError, ProtocolError
from h2.stream import H2Stream
from hpack.struct import Header
from hyperframe.frame import Frame


class IsolatedStream(H2Stream):
    """A stream of the peer; if its body is not as long as its `content-length`, it alone is reset (RFC 9113, 8.1.1)."""

    def receive_data(self, data: bytes, end_stream: bool, flow_control_len: int) -> tuple[list[Frame], list[Event]]:  # noqa: FBT001 - h2's
        """Take a DATA frame."""
        try:
            return super().receive_data(data, end_stream, flow_control_len)
        except InvalidBodyLengthError:
            frames: list[Frame] = self.reset_stream(ErrorCodes.PROTOCOL_ERROR)
            event = StreamReset(stream_id=self.stream_id)
            event.error_code = ErrorCodes.PROTOCOL_ERROR
            event.remote_reset = False
            return frames, [event]

    def _initialize_content_length(self, headers: list[Header]) -> None:  # type: ignore[override]  # h2 gives a list
        try:
            super()._initialize_content_length(headers)
        except ProtocolError:
            # No number: for `heads.py` to refuse, which resets the stream alone.
            return
