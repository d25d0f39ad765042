"""One HTTP/2 connection to a backend: grpclib's protocol layer, with what its client lacks.

Unlike grpclib's own client a link survives a graceful GOAWAY (calls in flight finish, new ones go elsewhere), ignores
frames it does not know, notices a dead peer while calls are open, and one slow reader cannot stall the others. Which
link a call uses is decided in :mod:`transcoder.backends`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from grpclib.config import Configuration
from grpclib.protocol import AbstractHandler, EventsProcessor, H2Protocol
from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.events import (
    AlternativeServiceAvailable,
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    StreamReset,
    UnknownFrameReceived,
)
from h2.exceptions import H2Error
from hyperframe.frame import Frame, GoAwayFrame

from transcoder.callstream import CallStream, Lost
from transcoder.headerblock import PlainEncoder

_STREAM_WINDOW: Final = 128 * 1024
"""Most bytes that wait unread for one call. Twice HTTP/2's default, so that a local reader is never starved."""

_CONNECTION_WINDOW: Final = 1024 * 1024 * 1024
"""Practically no limit for the connection as a whole: what waits is bounded per call, so readers stay independent."""

_MOST_STREAMS: Final = 100
"""Most calls on one link, even if the peer allows more: what RFC 9113 section 6.5.2 asks every peer to allow.

More links spread better over what is behind a balancer.
"""

_IGNORED: Final[tuple[type[Event], ...]] = (
    UnknownFrameReceived,
    InformationalResponseReceived,
    AlternativeServiceAvailable,
)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Times of a link, in seconds: how often an open call's peer is pinged, and how long it may take to answer."""

    ping_interval_s: float = 60.0
    ping_timeout_s: float = 20.0


class _NoRequests(AbstractHandler):
    """A client's side of grpclib's handler: nothing is ever accepted."""

    def accept(self, stream: Any, headers: Any, release_stream: Any) -> None:
        raise NotImplementedError("a client accepts no streams")

    def cancel(self, stream: Any) -> None:
        """Resets reach the stream itself."""

    def close(self) -> None:
        """The link knows by itself."""


class Link(H2Protocol):
    """A connection in use. :attr:`usable` turns false for good when it drains or is lost."""

    transport: asyncio.Transport

    def __init__(self, settings: LinkSettings, on_end: Callable[[Link], None]) -> None:
        super().__init__(_NoRequests(), _CONFIGURATION, _H2_CONFIGURATION)
        self._settings = settings
        self._on_end = on_end
        self._timer: asyncio.TimerHandle | None = None
        self.usable = True
        self.greeted = asyncio.get_running_loop().create_future()
        """Done when the peer's settings have come, or with :class:`Lost`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start HTTP/2 and put our own handling of events in place of grpclib's."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream transport by construction
        self.transport = transport
        super().connection_made(transport)
        self.h2 = self.connection._connection  # noqa: SLF001 - grpclib is pinned; there is no public way
        self.h2.encoder = PlainEncoder()
        self.h2._frame_dispatch_table[GoAwayFrame] = _goaway  # noqa: SLF001 - h2 would refuse all further frames
        self.processor = _Events(self)
        self._timer = asyncio.get_running_loop().call_later(self._settings.ping_interval_s, self._ping)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End every call on this link."""
        self.usable = False
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        self.connection.write_ready.set()
        if not self.greeted.done():
            self.greeted.set_exception(Lost("the peer closed the connection", unsent=True))
            self.greeted.exception()  # nobody may be waiting any more
        self._on_end(self)

    def data_received(self, data: bytes) -> None:
        """Feed HTTP/2; a peer that breaks the protocol loses the connection."""
        try:
            super().data_received(data)
        except (H2Error, UnicodeError, AttributeError):
            # AttributeError: grpclib takes its own state apart on close and may still be handling what came with it.
            self.transport.abort()

    @property
    def room(self) -> int:
        """How many more calls the link takes; 0 or less for none."""
        if not self.usable or self.transport.is_closing():
            return 0
        limit = min(int(self.h2.remote_settings.max_concurrent_streams), _MOST_STREAMS)
        return limit - len(self.processor.streams)

    @property
    def idle(self) -> bool:
        """Whether no call is open."""
        return not self.processor.streams

    def drain(self, last_stream_id: int) -> None:
        """Take no new calls; those up to *last_stream_id* finish, later ones were never begun."""
        self.usable = False
        for stream in list(self.processor.streams.values()):
            if stream.id is not None and stream.id > last_stream_id and isinstance(stream, CallStream):
                stream.fail(Lost("the peer is going away", unsent=True))
        self.close_if_idle()

    def close_if_idle(self) -> None:
        """Close a link that takes no calls any more once its last one is over."""
        if not self.usable and not self.processor.streams:
            asyncio.get_running_loop().call_soon(self.transport.close)

    def close(self) -> None:
        """Close now; calls in flight are lost."""
        self.usable = False
        self.transport.close()

    def _ping(self) -> None:
        loop = asyncio.get_running_loop()
        if not self.processor.streams:
            self._timer = loop.call_later(self._settings.ping_interval_s, self._ping)
            return
        try:
            self.h2.ping(b"transcod")
        except H2Error:
            self.transport.abort()
            return
        self.connection.flush()
        self._timer = loop.call_later(self._settings.ping_timeout_s, self.transport.abort)

    def answered_ping(self) -> None:
        """The peer lives: ping it again after the interval."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._settings.ping_interval_s, self._ping)


class _Events(EventsProcessor):
    """grpclib's handling of events, with the events it crashes on."""

    def __init__(self, link: Link) -> None:
        super().__init__(link.handler, link.connection)
        self._link = link
        self.processors |= dict.fromkeys(_IGNORED, _ignore)

    def process_remote_settings_changed(self, event: RemoteSettingsChanged) -> None:
        super().process_remote_settings_changed(event)
        if not self._link.greeted.done():
            self._link.greeted.set_result(None)

    def process_data_received(self, event: DataReceived) -> None:
        if event.flow_controlled_length:  # grpclib takes an empty frame for the end of the stream
            super().process_data_received(event)

    def process_stream_reset(self, event: StreamReset) -> None:
        stream = self.streams.get(event.stream_id)
        if isinstance(stream, CallStream) and event.error_code == ErrorCodes.REFUSED_STREAM:
            stream.fail(Lost("the peer refused the stream", unsent=True))
        super().process_stream_reset(event)

    def process_connection_terminated(self, event: ConnectionTerminated) -> None:
        self._link.drain(event.last_stream_id or 0)

    def process_ping_ack_received(self, event: PingAckReceived) -> None:
        del event
        self._link.answered_ping()


def _goaway(frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
    """A GOAWAY as an event only: h2 itself would close its state machine and drop the calls in flight."""
    event = ConnectionTerminated()
    event.error_code = frame.error_code
    event.last_stream_id = frame.last_stream_id
    return [], [event]


def _ignore(_event: Event) -> None:
    """RFC 9113 section 5.5: what is not understood is ignored."""


_CONFIGURATION: Final = Configuration(
    http2_connection_window_size=_CONNECTION_WINDOW, http2_stream_window_size=_STREAM_WINDOW
).__for_client__()

_H2_CONFIGURATION: Final = H2Configuration(
    client_side=True,
    header_encoding=None,  # bytes: a header byte that is not ASCII must not cost the connection
    validate_inbound_headers=False,
    validate_outbound_headers=False,
    normalize_inbound_headers=False,
    normalize_outbound_headers=False,
)
