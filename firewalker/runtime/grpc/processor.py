"""HTTP/2 events of one client connection become calls, within limits, until the connection is drained.

Bytes and time-outs are `protocol.py`'s. What is repaired here of grpclib's protocol layer is in README.md's table.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from time import monotonic
from typing import Any, cast

from grpclib.protocol import AbstractHandler, EventsProcessor
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, PingAckReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import ProtocolError

from firewalker.kernel.faults import Draining, Fault
from firewalker.runtime.grpc.budget import Budget
from firewalker.runtime.grpc.call import Call
from firewalker.runtime.grpc.doors import Method
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.expiry import Expiry
from firewalker.runtime.grpc.faults import MethodNotFound
from firewalker.runtime.grpc.heads import MalformedHead, NotGrpc, RequestHead, are_trailers
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.measures import UNKNOWN_METHOD
from firewalker.runtime.grpc.partials import Partials
from firewalker.runtime.grpc.pings import PingPolicy
from firewalker.runtime.grpc.status import encode_message, outcome_of
from firewalker.runtime.grpc.wire import ServerConnection

_ALL_STREAMS = 2**31 - 1
_ROUND_TRIP_S = 1.0
"""How long a draining connection waits for the answer to its ping before it assumes one round trip has passed."""
_DRAIN_PING = b"draining"
_CRUMB_BYTES = 256
"""DATA frames below this that complete no message count as control frames: a message in crumbs costs as many of them."""


_ABANDONED_AT_ONCE = 12
"""Some 0.2 ms."""


class Nothing(AbstractHandler):
    """grpclib's handler of requests; ours are handled by the processor itself."""

    def accept(self, *_: object) -> None:
        """Not used."""

    def cancel(self, *_: object) -> None:
        """Not used."""

    def close(self) -> None:
        """Not used."""


def _nothing() -> None:
    pass


class CallsProcessor(EventsProcessor):
    """Turns the events of one connection into calls."""

    streams: dict[int, Call]  # type: ignore[assignment]  # grpclib's are handlers
    connection: ServerConnection

    def __init__(
        self,
        connection: ServerConnection,
        methods: Mapping[bytes, Method],
        edge: Edge,
        limits: Limits,
        partials: Partials,
        *,
        clients: int = 1,
    ) -> None:
        """*clients* tells how many may be behind the connection: what one may do to it is allowed so many times."""
        super().__init__(Nothing(), connection)
        self._methods = methods
        self._edge = edge
        self._limits = limits
        self._partials = partials
        self._expiry = Expiry(self.streams)
        self._unanswered = Budget(limits.unanswered_burst * clients, limits.unanswered_per_s * clients)
        self._control = Budget(limits.control_burst * clients, limits.control_per_s * clients)
        self._pings = PingPolicy(limits.ping_interval_s)
        self._sent_seen = 0
        self._silent_seen = 0
        self._forgiven = 0
        self._last_stream: int | None = None
        self.quiet_since: float | None = monotonic()
        """Since when no call is open, in seconds of `time.monotonic`; None while there are calls."""
        self.on_abuse: Callable[[], None] = _nothing
        """Called when the connection is ended for what the client did."""
        self.on_leave: Callable[[], None] = _nothing
        """Called when nothing more will be sent: the protocol says so to the peer and waits for it a little."""
        self.on_close: Callable[[], None] = _nothing
        """Called when the connection is closed without waiting."""

    # -- events ----------------------------------------------------------------------------------------------------

    def process(self, event: Event) -> None:
        """Dispatch one event. What HTTP/2 lets a peer send and we do not know is ignored (RFC 9113, 5.5)."""
        if self.connection.is_closing():
            return
        handle: Any = self.processors.get(event.__class__)
        if handle is not None:
            handle(event)
        else:
            self.spend_control()

    def process_request_received(self, event: RequestReceived) -> None:
        """Begin a call, or refuse it at once."""
        stream_id = event.stream_id
        if self._last_stream is not None and stream_id > self._last_stream:
            self._reset(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        if len(self.streams) >= self._limits.streams:
            self._edge.measures.connection("stream_refused")
            self._spend_unanswered()
            self._reset(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        try:
            head = RequestHead.read(cast("Any", event.headers))
        except MalformedHead:
            self._edge.record_refused(UNKNOWN_METHOD, "UNKNOWN", "MALFORMED_HEADERS")
            self._spend_unanswered()
            self._reset(stream_id, ErrorCodes.PROTOCOL_ERROR)
            return
        except NotGrpc as refusal:
            self._edge.record_refused(UNKNOWN_METHOD, "UNKNOWN", f"HTTP_{refusal.http_status}")
            self._answer_http(stream_id, refusal)
            return
        method = self._methods.get(head.path)
        if method is None:
            self._edge.record_refused(UNKNOWN_METHOD, "UNIMPLEMENTED", MethodNotFound.reason)
            self._answer(stream_id, MethodNotFound(), head.request_id)
            return
        call = Call(
            stream_id,
            head,
            method,
            connection=self.connection,
            edge=self._edge,
            partials=self._partials,
            expiry=self._expiry,
            release=self._release,
        )
        self.streams[stream_id] = call
        self.quiet_since = None
        self._edge.begin(call)

    def process_data_received(self, event: DataReceived) -> None:
        """Hand bytes to their call."""
        call = self.streams.get(event.stream_id)
        size = event.flow_controlled_length
        data = event.data
        if call is None:
            self.spend_control()
            self._forgive(event.stream_id, size)
            return
        if call.inbox.add(data, size) or len(data) >= _CRUMB_BYTES:
            self._control.progress()
        elif event.stream_ended is None:
            self.spend_control()

    def process_stream_ended(self, event: StreamEnded) -> None:
        """The client has half-closed."""
        call = self.streams.get(event.stream_id)
        if call is not None:
            call.inbox.end()

    def process_window_updated(self, event: WindowUpdated) -> None:
        """More may be sent: whoever waits looks again."""
        del event
        for opened in self.connection.blocked:
            opened.set()
        self.spend_control()

    def process_stream_reset(self, event: StreamReset) -> None:
        """The client left a call, or broke its stream so that h2 ended it."""
        call = self.streams.get(event.stream_id)
        if call is None:
            self.spend_control()
            return
        if not call.head_sent:
            self._spend_unanswered()
        call.abandon()

    def process_remote_settings_changed(self, _event: Any) -> None:
        """The client's windows may have grown."""
        for opened in self.connection.blocked:
            opened.set()
        self.spend_control()

    def process_settings_acknowledged(self, _event: Any) -> None:
        """Nothing depends on it."""

    def process_trailers_received(self, event: Any) -> None:
        """Requests have no trailers in gRPC; their end is an event of its own. Malformed ones end the stream."""
        self.spend_control()
        call = self.streams.get(event.stream_id)
        if call is not None and not are_trailers(event.headers):
            self._spend_unanswered()
            self._reset(event.stream_id, ErrorCodes.PROTOCOL_ERROR)
            call.abandon()

    def process_priority_updated(self, _event: Any) -> None:
        """Priorities are not used."""
        self.spend_control()

    def process_ping_received(self, _event: Any) -> None:
        """h2 has answered it. Bandwidth estimates and keep-alives are fine, a habit of it is not."""
        if self._pings.allows(self.connection.sent):
            self.spend_control()
        else:
            self.go_away(ErrorCodes.ENHANCE_YOUR_CALM, "too_many_pings")

    def process_ping_ack_received(self, event: PingAckReceived) -> None:
        """A round trip is over."""
        if event.ping_data == _DRAIN_PING:
            self.finish_drain()
        super().process_ping_ack_received(event)

    def process_connection_terminated(self, event: Any) -> None:
        """The client opens no more streams (NO_ERROR), so this ends with the last; or it gives up on the connection."""
        if event.error_code == ErrorCodes.NO_ERROR:
            self._last_stream = self.connection.h2.highest_inbound_stream_id
            self._close_if_drained()
        else:
            self.close("the client gave up")

    # -- limits ----------------------------------------------------------------------------------------------------

    def is_suspect(self) -> bool:
        """Whether the client has lately done much that brought nothing forward, if not enough to be cut off."""
        return self._unanswered.is_low() or self._control.is_low()

    def spend_control(self) -> None:
        """Count a frame that brings nothing forward; too many end the connection."""
        sent = self.connection.sent
        if sent != self._sent_seen:
            # Who reads much acknowledges much.
            self._control.progress(sent - self._sent_seen)
            self._sent_seen = sent
        if not self._control.spend():
            self.go_away(ErrorCodes.ENHANCE_YOUR_CALM, "control_flood")

    def note_silent(self) -> None:
        """Count the frames that h2 took without an event."""
        silent = self.connection.h2.silent
        for _ in range(silent - self._silent_seen):
            self.spend_control()
        self._silent_seen = silent

    def _spend_unanswered(self) -> None:
        if not self._unanswered.spend():
            self.go_away(ErrorCodes.ENHANCE_YOUR_CALM, "rapid_reset")

    def go_away(self, code: ErrorCodes, cause: str) -> None:
        """End the connection for what the client does; it is told why."""
        if self.connection.is_closing():
            return
        self._edge.measures.connection(cause)
        if code is not ErrorCodes.INTERNAL_ERROR:
            self.on_abuse()
        self.connection.h2.queue_goaway(self.connection.h2.highest_inbound_stream_id, code, cause.encode("ascii"))
        self.leave()

    # -- drain -----------------------------------------------------------------------------------------------------

    def begin_drain(self) -> None:
        """Tell the client to open no new streams here; those already on their way are still taken (NET-41)."""
        if self.connection.is_closing() or self._last_stream is not None:
            return
        self.connection.h2.queue_goaway(_ALL_STREAMS, ErrorCodes.NO_ERROR)
        self.connection.h2.ping(_DRAIN_PING)
        self.connection.flush()
        asyncio.get_running_loop().call_later(_ROUND_TRIP_S, self.finish_drain)

    def finish_drain(self) -> None:
        """A round trip later: from here on new streams are refused."""
        if self.connection.is_closing() or self._last_stream is not None:
            return
        self._last_stream = self.connection.h2.highest_inbound_stream_id
        self.connection.h2.queue_goaway(self._last_stream, ErrorCodes.NO_ERROR)
        self.connection.flush()
        self._close_if_drained()

    def offer_end(self, fault: Fault) -> None:
        """Ask all streams to end."""
        for call in list(self.streams.values()):
            call.offer_end(fault)

    def leave(self) -> None:
        """Send what is queued and close as the peer can see it: closing at once could destroy what is on its way.

        A kernel that closes a socket with unread bytes in it resets the connection, and the peer loses answers that
        it has not read yet.
        """
        if self.connection.left:
            return
        self._abandon(iter(list(self.streams.values())))
        self.connection.flush_now()
        self.connection.left = True
        self.on_leave()

    def close(self, reason: str = "closed") -> None:
        """Close the connection; its calls are abandoned."""
        del reason
        if not self.connection.is_closing():
            self.on_close()
        self._expiry.stop()
        # Also where the transport is gone already: it stops the connection's timers.
        self.connection.close()
        self._abandon(iter(list(self.streams.values())))

    def stop_calls(self) -> None:
        """End all calls; their clients get Draining."""
        for call in list(self.streams.values()):
            call.stop(Draining())

    # -- inside ----------------------------------------------------------------------------------------------------

    def _abandon(self, calls: Iterator[Call]) -> None:
        """Stop *calls*, of a client that is gone, a few in each turn of the loop: a hundred at once hold up everybody."""
        some = list(islice(calls, _ABANDONED_AT_ONCE))
        for call in some:
            call.abandon()
        if len(some) == _ABANDONED_AT_ONCE:
            asyncio.get_running_loop().call_soon(self._abandon, calls)

    def _release(self, call: Call) -> None:
        if self.streams.pop(call.id, None) is None:
            return
        if not self.streams:
            self.quiet_since = monotonic()
        self._forgive(call.id, call.inbox.leftover())
        if self._last_stream is not None:
            self._close_if_drained()

    def _close_if_drained(self) -> None:
        if not self.streams and not self.connection.is_closing():
            self.leave()

    def _forgive(self, stream_id: int, size: int) -> None:
        """Give bytes of an ended stream back to the connection's window, in larger steps."""
        self._forgiven += size
        if self._forgiven >= self._limits.stream_window_bytes and not self.connection.is_closing():
            self.connection.ack(stream_id, self._forgiven)
            self._forgiven = 0

    def _reset(self, stream_id: int, code: ErrorCodes) -> None:
        stream = self.connection.h2.streams.get(stream_id)
        # The client may have reset it in the same read.
        if stream is not None and not stream.closed and not self.connection.is_closing():
            self.connection.h2.reset_stream(stream_id, code)
            self.connection.flush()

    def _answer(self, stream_id: int, fault: Fault, request_id: str) -> None:
        outcome = outcome_of(fault)
        echo = ((b"x-request-id", request_id.encode()),) if request_id else ()
        head = ((b":status", b"200"), (b"content-type", b"application/grpc"), *echo)
        self._close_stream(stream_id, (*head, *outcome.headers))

    def _answer_http(self, stream_id: int, refusal: NotGrpc) -> None:
        headers = (
            (b":status", str(refusal.http_status).encode()),
            (b"content-type", b"application/grpc"),
            (b"grpc-status", b"2"),
            (b"grpc-message", encode_message(refusal.message)),
        )
        self._close_stream(stream_id, headers)

    def _close_stream(self, stream_id: int, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        try:
            self.connection.write_headers(stream_id, headers, end=True)
        except ProtocolError:
            return
        self._reset(stream_id, ErrorCodes.NO_ERROR)
