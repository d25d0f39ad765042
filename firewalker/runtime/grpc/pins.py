"""Names below the surface of grpclib and h2 that this layer stands on. Checked, so that an upgrade fails loudly."""

from asyncio.sslproto import SSLProtocol
from functools import cache
from importlib.metadata import version

import grpclib.client
import grpclib.protocol
import grpclib.utils
import h2.stream
import hpack.hpack
from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection, H2ConnectionStateMachine
from h2.exceptions import StreamClosedError
from h2.stream import H2Stream, StreamInputs, StreamState
from hyperframe.frame import DataFrame, HeadersFrame, WindowUpdateFrame

GRPCLIB_VERSION = "0.4.9"
"""The only version this layer was tried with."""

_H2_NAMES = (
    "_begin_new_stream",
    "MAX_CLOSED_STREAMS",
    "_data_to_send",
    "_frame_dispatch_table",
    "_inbound_flow_control_window_manager",
    "_prepare_for_sending",
    "_receive_data_frame",
    "_receive_frame",
    "_receive_goaway_frame",
    "_receive_headers_frame",
    "_receive_window_update_frame",
    "_stream_is_closed_by_end",
    "_stream_is_closed_by_reset",
    "decoder",
    "encoder",
    "incoming_buffer",
    "max_outbound_frame_size",
    "outbound_flow_control_window",
    "state_machine",
    "streams",
)
_GRPCLIB_NAMES = {
    grpclib.protocol.Connection: ("feed", "ack", "flush", "pause_writing", "resume_writing", "is_closing"),
    grpclib.protocol.EventsProcessor: ("register", "process", "process_stream_reset", "process_connection_terminated"),
    grpclib.client.Channel: ("__connect__", "_create_connection", "_protocol_factory", "request"),
    grpclib.client.Stream: ("send_request", "recv_initial_metadata", "recv_trailing_metadata", "__aexit__"),
    grpclib.utils.Wrapper: ("_error", "cancel", "cancel_failed"),
}


class PinBroken(ImportError):
    """grpclib or h2 is not as this layer needs it."""


@cache
def check() -> None:
    """Look for every name once. Raises PinBroken for the first that is missing."""
    if version("grpclib") != GRPCLIB_VERSION:
        raise PinBroken(f"runtime/grpc was made for grpclib {GRPCLIB_VERSION}, not {version('grpclib')}")
    configuration = H2Configuration(client_side=False)
    connection = H2Connection(configuration)
    stream = H2Stream(1, configuration, 0, 0)
    for owner, names in (
        (connection, _H2_NAMES),
        (connection.encoder, ("table_size_changes",)),
        (connection.decoder, ("header_table", "max_header_list_size")),
        (connection.decoder.header_table, ("dynamic_entries", "maxsize")),
        (connection.incoming_buffer, ("_data", "_headers_buffer", "_update_header_buffer", "max_frame_size")),
        (DataFrame(1), ("body_len", "data", "flags", "pad_length", "stream_id")),
        (HeadersFrame(1), ("depends_on", "exclusive", "pad_length", "stream_weight")),
        (WindowUpdateFrame(1), ("window_increment",)),
        (stream, ("_expected_content_length", "_inbound_window_manager", "_initialize_content_length", "receive_data")),
        (stream, ("max_outbound_frame_size", "outbound_flow_control_window", "state_machine")),
        (stream.state_machine, ("client", "headers_received", "state")),
        (StreamClosedError(1), ("_events", "error_code")),
        (StreamInputs, ("SEND_HEADERS", "SEND_DATA", "SEND_END_STREAM", "RECV_WINDOW_UPDATE")),
        (h2.stream, ("_transitions",)),
        (h2.stream.H2StreamStateMachine, ("window_updated",)),
        (StreamState, ("OPEN", "HALF_CLOSED_REMOTE")),
        (ConnectionState, ("SERVER_OPEN", "CLOSED")),
        (H2ConnectionStateMachine, ("_transitions", "process_input")),
        (hpack.hpack, ("log",)),
        (SSLProtocol, ("max_size", "get_buffer", "buffer_updated", "connection_made")),
        *_GRPCLIB_NAMES.items(),
    ):
        for name in names:
            if not hasattr(owner, name):
                raise PinBroken(f"{owner!r} has no {name}, which runtime/grpc stands on")
