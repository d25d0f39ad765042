"""Calls to the other services of this backend: credential, deadline, errors as faults.

The connections are `links.py`'s, repeats `repeating.py`'s.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import grpclib.client
from google.protobuf.message import DecodeError
from grpclib.config import Configuration
from grpclib.const import Status
from grpclib.encoding.proto import ProtoCodec
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.metadata import Deadline
from grpclib.protocol import EventsProcessor, H2Protocol
from h2.errors import ErrorCodes
from h2.events import Event
from h2.exceptions import ProtocolError
from multidict import MultiDict

from firewalker.kernel.faults import DeadlineExceeded
from firewalker.runtime import deadline, tracing
from firewalker.runtime.grpc import pins
from firewalker.runtime.grpc.client_stream import ClientConnection, MessageStream
from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.runtime.grpc.h2state import HardenedH2
from firewalker.runtime.grpc.links import Link, Links
from firewalker.runtime.grpc.messages import internal_descriptors
from firewalker.runtime.grpc.pings import KEEP_ALIVE, KeepAlive
from firewalker.runtime.grpc.repeating import NeverBegan, RepeatedOnce, cancellations, take_back, wake_once
from firewalker.runtime.grpc.tls import client_context

CALL_S = 5.0
"""Longest call where neither the caller nor the present deadline says less."""

MARGIN_S = 0.02
"""Taken off an onward deadline, so that this side still has time to answer; boulder takes as much."""

PING_EVERY_S = 10.0
"""Silence of a peer to which calls are made, after which it is pinged: what our servers let a client do without an answer
in between (`Limits.ping_interval_s`)."""

PING_ANSWER_S = 10.0
"""How long it may then stay silent before it counts as dead: twice what a call may take (`CALL_S`). NET-11, NET-42."""


class CallRefused(Exception):
    """Another service answered with a fault of its own. Not a fault here: what it means, the caller has to say."""

    def __init__(self, status: str, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        """The gRPC status by name, such as `INVALID_ARGUMENT`."""
        self.reason = reason
        """The fault's reason; empty if it gave none."""


class InternalChannel(grpclib.client.Channel):
    """A channel to *address* (`host:port` of an internal port) for the generated betterproto2 stubs.

    Several addresses, separated by commas, are processes of one service: calls go to them in turn, past those that are away.

    Every call carries this service's credential and a deadline: the present call's less 20 ms, at most 5 s unless
    the caller gives a timeout. It raises ServiceUnavailable where the service cannot be reached or goes away,
    DeadlineExceeded, and CallRefused for any other answer that is not OK. What the service never began is made once more.
    Connects with the first call, again after the
    connection is lost, and then not more often than a growing delay allows: calls in between fail at once.
    """

    def __init__(
        self, address: str, service_token: str, *, compress: bool = False, ca_file: Path | None = None
    ) -> None:
        """With *compress* requests are sent as gzip, and the service then answers so; for links where bytes cost.

        With *ca_file* over TLS, to peers whose certificate it vouches for; OSError if it holds none.
        """
        pins.check()
        places = [_host_and_port(place) for place in address.split(",")]
        super().__init__(*places[0], config=Configuration(_keepalive_time=None))  # `pings.py` does it
        self._packs = compress
        self._credential = ("authorization", f"Bearer {service_token}")
        tls = None if ca_file is None else client_context(ca_file)
        self._scheme = "http" if tls is None else "https"
        self._links = Links([Link(host, port, self._protocol_factory, tls) for host, port in places])

    def request(self, name: str, cardinality: Any, request_type: Any, reply_type: Any, **options: Any) -> Any:
        """A call about to be made; used by the stubs."""
        timeout, until, metadata = options.get("timeout"), options.get("deadline"), options.get("metadata")
        left_s = deadline.remaining()
        limit_s = CALL_S if timeout is None else timeout
        if until is not None:
            limit_s = min(limit_s, until.time_remaining())
        if left_s is not None:
            limit_s = min(limit_s, left_s - MARGIN_S)
        headers: Any = MultiDict(metadata or ())
        headers.add(*self._credential)
        ids = tracing.current.get()
        if ids is not None and ids.request_id:
            headers.add("x-request-id", ids.request_id)
        return _Stream(
            self,
            name,
            headers,
            cardinality,
            request_type,
            reply_type,
            codec=self.codec(name),
            status_details_codec=self._status_details_codec,
            dispatch=self.__dispatch__,
            deadline=Deadline.from_timeout(max(0.0, limit_s)),
        )

    def codec(self, name: str) -> ProtoCodec:
        """What reads and writes the messages of a method."""
        return _codec(name)

    def close(self) -> None:
        """Close the connection; calls under way get ServiceUnavailable. A later call connects anew."""
        self._links.close()

    def _protocol_factory(self) -> H2Protocol:
        protocol = _Protocol(grpclib.client.Handler(), self._config, self._h2_config)
        protocol.packs = self._packs
        return protocol

    async def __connect__(self) -> H2Protocol:
        return await self._links.protocol()

    @property
    def _connected(self) -> bool:
        return any(link.protocol is not None for link in self._links.links)


class _Stream(RepeatedOnce, MessageStream):
    """A call whose ends are faults."""

    async def __aenter__(self) -> Self:
        if self._deadline is not None and self._deadline.time_remaining() <= 0:
            raise DeadlineExceeded
        self._cancellations = cancellations()
        self._span = tracing.span(self._method_name[1:], **{"rpc.system": "grpc"})
        self._span.__enter__()
        if told := tracing.onward():
            self._metadata.add("traceparent", told)
        try:
            await super().__aenter__()
        except BaseException as error:
            self._span.__exit__(type(error), error, error.__traceback__)
            raise
        wake_once(self._wrapper)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        except Exception as raised:  # noqa: BLE001 - raised again below, translated
            error = raised
        finally:
            if not self._send_request_done and self._wrapper_ctx is not None:
                self._wrapper_ctx.__exit__(None, None, None)
            self._span.__exit__(None if error is None else type(error), error, None)
        if error is not None:
            if not isinstance(error, asyncio.CancelledError):
                take_back(self._wrapper, self._cancellations)
            translated = _translate(error)
            if translated is not error:
                raise translated from error
            raise error


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.strip().rpartition(":")
    return host.strip("[]"), int(port)


def _translate(error: BaseException) -> BaseException:
    status = error.status if isinstance(error, GRPCError) else None
    if status is Status.DEADLINE_EXCEEDED or isinstance(error, TimeoutError):
        return DeadlineExceeded()
    if status is Status.UNAVAILABLE or isinstance(error, StreamTerminatedError | ProtocolError | OSError):
        return ServiceUnavailable()
    if isinstance(error, GRPCError):
        return CallRefused(error.status.name, _reason(error), error.message or "")
    return error


def _reason(error: GRPCError) -> str:
    for detail in error.details or ():
        reason = getattr(detail, "reason", None)
        if isinstance(reason, str):
            return reason
    return ""


class _Protocol(H2Protocol):
    """grpclib's client protocol with a state that survives a GOAWAY, and an end that waits for nobody."""

    connection: ClientConnection
    packs = False
    _sent_before = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        h2 = HardenedH2(config=self.h2_config)
        h2.initiate_connection()
        grow = self.config.http2_connection_window_size - h2.local_settings.initial_window_size
        if grow > 0:
            h2.increment_flow_control_window(grow)
        self.connection = ClientConnection(h2, cast("asyncio.Transport", transport), config=self.config)
        self.connection.packs = self.packs
        self.connection.flush()
        self.connection.initialize()
        self.processor = _Processor(self.handler, self.connection)
        self._keep_alive = KeepAlive(
            PING_EVERY_S,
            PING_ANSWER_S,
            busy=self._is_used,
            ping=self._ping,
            # Closing would wait until the peer has read what is unsent: for the kernel to give up, in a quarter of an hour.
            dead=cast("asyncio.Transport", transport).abort,
        )

    def data_received(self, data: bytes) -> None:
        """The peer lives."""
        self._keep_alive.heard += 1
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone, whoever ended it."""
        self._keep_alive.stop()
        super().connection_lost(exc)

    def _is_used(self) -> bool:
        """Whether calls are open or were made since this was last asked, or the peer is yet to read the last bytes."""
        before, self._sent_before = self._sent_before, self.connection.sent
        return bool(self.processor.streams) or self.connection.sent != before or self.connection.is_closing()

    def _ping(self) -> None:
        if not self.connection.is_closing():
            self.connection.h2.ping(KEEP_ALIVE)
            self.connection.flush()


class _Processor(EventsProcessor):
    """Ignores what it does not know, and lets calls finish that the server still answers after a GOAWAY (M10)."""

    _leaving = False

    def process(self, event: Event) -> None:
        if event.__class__ in getattr(self, "processors", {}):
            super().process(event)

    def process_stream_reset(self, event: Any) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None and event.remote_reset and event.error_code == ErrorCodes.REFUSED_STREAM:
            _end_unbegun(stream, "the server refused this call")
        super().process_stream_reset(event)

    def process_connection_terminated(self, event: Any) -> None:
        # New calls open a new connection from here on: the channel looks at this flag of the handler.
        self.handler.close()
        self._leaving = True
        if event.error_code != ErrorCodes.NO_ERROR:
            self.close(f"the server ended the connection: {event.error_code}")
            return
        for stream_id, stream in list(self.streams.items()):
            if stream_id > event.last_stream_id:
                _end_unbegun(stream, "the server did not take this call")
        self._close_if_left()

    def register(self, stream: Any) -> Callable[[], None]:
        release = super().register(stream)

        def release_and_leave() -> None:
            release()
            if self._leaving:
                self._close_if_left()

        return release_and_leave

    def _close_if_left(self) -> None:
        if not self.streams and not self.connection.is_closing():
            self.close("left")


def _end_unbegun(stream: Any, reason: str) -> None:
    """As `__terminated__`, which would tell no more than that the stream is over. Only the first end counts."""
    if stream.wrapper is not None and stream.wrapper._error is None:  # noqa: SLF001 - pinned
        stream.wrapper.cancel(NeverBegan(reason))
        stream.wrapper = None


class _GateCodec(ProtoCodec):
    """Answers pass upb before betterproto2 sees them, as requests do at the server."""

    def __init__(self, path: str) -> None:
        descriptors = internal_descriptors()
        self._gate = descriptors.message_class(descriptors.method(path).output_type.full_name)

    def decode(self, data: bytes, message_type: Any) -> Any:
        message = self._gate()
        try:
            message.ParseFromString(data)
        except DecodeError as error:
            raise ServiceUnavailable from error
        message.DiscardUnknownFields()
        return message_type.FromString(message.SerializeToString())


@lru_cache(maxsize=64)
def _codec(path: str) -> _GateCodec:
    return _GateCodec(path)
