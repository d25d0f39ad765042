"""asyncio's side of one client connection: bytes in and out, within limits of size and time.

The events in the bytes are `processor.py`'s. What is repaired here of grpclib's protocol layer is in README.md's table.
"""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import cast

import structlog
from grpclib.config import Configuration
from grpclib.protocol import H2Protocol
from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.events import Event
from h2.exceptions import ProtocolError

from firewalker.runtime.grpc.arrivals import Arrivals, Network, Place, within
from firewalker.runtime.grpc.doors import Method
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.fragments import FrameClock
from firewalker.runtime.grpc.h2fast import FastH2
from firewalker.runtime.grpc.h2state import HardenedH2
from firewalker.runtime.grpc.intake import Intake, Line
from firewalker.runtime.grpc.lifetime import Lifetime
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.partials import Partials
from firewalker.runtime.grpc.pings import KEEP_ALIVE, KeepAlive
from firewalker.runtime.grpc.processor import CallsProcessor, Nothing
from firewalker.runtime.grpc.wire import FastConnection, ServerConnection, Wire

_FRAME_HEAD_BYTES = 9

_LEAST_TAKEN_BYTES = 4_096
"""Less than this in `Limits.unread_s` counts as not reading."""

H2_CONFIGURATION = H2Configuration(
    client_side=False,
    header_encoding=None,
    validate_inbound_headers=False,
    validate_outbound_headers=False,
    normalize_inbound_headers=False,
    normalize_outbound_headers=False,
)
"""Headers are bytes, and judged by `heads.py`."""


class CallsProtocol(H2Protocol):
    """asyncio's side of one connection."""

    connection: ServerConnection
    processor: CallsProcessor

    def __init__(
        self,
        methods: Mapping[bytes, Method],
        edge: Edge,
        limits: Limits,
        wire: Wire,
        *,
        connections: set["CallsProtocol"],
        arrivals: Arrivals,
        partials: Partials,
        line: Line,
        trusted: Sequence[Network] = (),
    ) -> None:
        configuration = Configuration(
            http2_connection_window_size=limits.connection_window_bytes,
            http2_stream_window_size=limits.stream_window_bytes,
            # `pings.py` does it.
            _keepalive_time=None,
        )
        super().__init__(Nothing(), configuration.__for_server__(), H2_CONFIGURATION)
        self._methods = methods
        self._edge = edge
        self._limits = limits
        self._wire = wire
        self._connections = connections
        self._arrivals = arrivals
        self._partials = partials
        self._line = line
        self._trusted = trusted
        self._place: Place | None = None
        self._host = ""
        self._transport: asyncio.Transport | None = None
        self._log = structlog.get_logger("firewalker.grpc")
        self._opening: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0

    def come_from(self, host: str, place: Place) -> None:
        """Before `connection_made`, where it is known already who the client is, and that it may come."""
        self._host, self._place = host, place

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)
        place: Place | str | None = self._place
        if place is None:
            self._host = host_of(transport)
            place = self._arrivals.take(self._host)
        if isinstance(place, str):
            self._edge.measures.connection(place)
            self._transport.abort()
            return
        self._place = place
        fast = self._wire is Wire.FAST
        h2 = FastH2(self.h2_config) if fast else HardenedH2(self.h2_config)
        h2.bound(self._limits)
        h2.initiate_connection()
        grow = self._limits.connection_window_bytes - h2.local_settings.initial_window_size
        if grow > 0:
            h2.increment_flow_control_window(grow)
        connection_class = FastConnection if fast else ServerConnection
        self.connection = connection_class(h2, self._transport, config=self.config)
        self.connection.host = self._host
        self.connection.flush_now()
        self.connection.initialize()
        # Each of its streams may be another client's.
        clients = self._limits.streams if within(self._host, self._trusted) else 1
        self.processor = CallsProcessor(
            self.connection, self._methods, self._edge, self._limits, self._partials, clients=clients
        )
        self.processor.on_abuse = place.blame
        self.processor.on_leave = self._leave
        self.processor.on_close = self._limit_closing
        self._connections.add(self)
        self._edge.measures.connection("opened")
        self._opening = asyncio.get_running_loop().call_later(self._limits.opening_s, self._never_opened)
        self._intake = Intake(self._receive, self._settle_reading, suspect=self.processor.is_suspect, line=self._line)
        self._frames = FrameClock(self._limits.frame_s, lambda: self._cut_off("unfinished_frame"))
        self._lifetime = Lifetime(self._limits, self.processor, ended=self._edge.measures.connection, cut=self._abort)
        self._keep_alive = KeepAlive(
            self._limits.ping_every_s,
            self._limits.ping_answer_s,
            busy=lambda: bool(self.processor.streams),
            ping=self._ping,
            dead=lambda: self._abort("dead"),
        )

    def data_received(self, data: bytes) -> None:
        """Feed what came to h2 and act on it."""
        self._keep_alive.heard += 1
        self._intake.take(data)

    def _receive(self, data: bytes, frames: int) -> bool:
        """Act on so many *frames* of *data* and of what was left before; whether more may be left now."""
        if self.connection.is_closing():
            return False
        h2 = self.connection.h2
        h2.allow(frames)
        try:
            events = self.connection.feed(data)
        except ProtocolError as error:
            self._protocol_error(error)
            return False
        except Exception as error:  # noqa: BLE001 - hostile bytes may hit a bug of the library; the connection is lost, no more
            self._protocol_error(error)
            return False
        if self._opening is not None and events:
            self._opening.cancel()
            self._opening = None
        try:
            for event in events:
                self.processor.process(event)
            self.processor.note_silent()
        except Exception as error:  # noqa: BLE001 - a bug of ours costs this connection, and is logged once
            self._log.error("bug", exc_info=(type(error), error, error.__traceback__))
            self.processor.go_away(ErrorCodes.INTERNAL_ERROR, "bug")
            return False
        if self.connection.is_closing():
            return False
        self._look_after(events)
        return h2.behind

    def _look_after(self, events: list[Event]) -> None:
        """Judge what is left when the events were dealt with, and send what they gave rise to."""
        h2 = self.connection.h2
        self._frames.note(unfinished=h2.unfinished and not h2.behind, progress=bool(events))
        # h2 gathers a frame whole before it looks at its size.
        if not h2.behind and len(h2.incoming_buffer._data) > h2.max_inbound_frame_size + _FRAME_HEAD_BYTES:  # noqa: SLF001 - pinned
            self.processor.go_away(ErrorCodes.FRAME_SIZE_ERROR, "frame_too_large")
            return
        self.connection.flush()
        if self._transport is not None and self._transport.get_write_buffer_size() > self._limits.outbound_bytes:
            self._abort("outbound_full")

    def _settle_reading(self) -> None:
        """Read, unless there is something to work on, or a client that does not read, first."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._intake.pending or not self.connection.write_ready.is_set():
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The client does not read: stop reading from it, too, and give it some seconds."""
        super().pause_writing()
        self._settle_reading()
        self._await_reader()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        self._settle_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone, whoever ended it."""
        del exc
        if self._place is None:
            # It was refused.
            self._transport = None
            return
        self._place.give_back()
        self._intake.drop()
        for clock in (self._frames, self._lifetime, self._keep_alive):
            clock.stop()
        for timer in (self._opening, self._unread, self._closing):
            if timer is not None:
                timer.cancel()
        self.processor.close("connection lost")
        self._connections.discard(self)
        self._edge.measures.connection("closed")
        self._transport = None

    def _protocol_error(self, error: Exception) -> None:
        self.processor.on_abuse()
        self._edge.measures.connection("protocol_error")
        if monotonic() >= self._quiet_until:
            self._quiet_until = monotonic() + 1.0
            self._log.info("protocol error", error=type(error).__name__)
        # h2 has queued a GOAWAY that tells the client.
        self.processor.leave()

    def _leave(self) -> None:
        """Say that nothing more comes, and read on, unheard, until the peer has closed too."""
        if self._transport is None or self._transport.is_closing():
            return
        self._limit_closing()
        if not self._transport.can_write_eof():
            # TLS: asyncio would drop the connection, and what is on its way, over the peer's next frame.
            return
        try:
            self._transport.write_eof()
        except (OSError, RuntimeError):
            # The peer was quicker, or the transport has found out by itself.
            self.abort()

    def _limit_closing(self) -> None:
        # A transport waits for its peer to read the rest; not for ever.
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(self._limits.closing_s, self.abort)

    def _await_reader(self) -> None:
        """Look, some seconds from now, whether the client has taken anything worth speaking of by then."""
        taken = self._taken()
        self._unread = asyncio.get_running_loop().call_later(self._limits.unread_s, self._judge_reader, taken)

    def _judge_reader(self, taken: int) -> None:
        if self._taken() - taken < _LEAST_TAKEN_BYTES:
            self._abort("unread")
        else:
            self._await_reader()

    def _taken(self) -> int:
        waiting = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return self.connection.handed_over - waiting

    def _ping(self) -> None:
        if not self.connection.is_closing():
            self.connection.h2.ping(KEEP_ALIVE)
            self.connection.flush()

    def _never_opened(self) -> None:
        self._cut_off("never_opened")

    def _cut_off(self, cause: str) -> None:
        self.processor.on_abuse()
        self._abort(cause)

    def abort(self) -> None:
        """Drop the connection with all that is unsent."""
        if self._transport is not None:
            self._transport.abort()

    def _abort(self, cause: str) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._edge.measures.connection(cause)
            self._transport.abort()


def host_of(transport: asyncio.BaseTransport) -> str:
    """The address at the other end; empty if it has none."""
    peer = transport.get_extra_info("peername")
    return peer[0] if isinstance(peer, tuple) else ""
