"""Calls to the other services of this backend: one connection each, kept or made again, errors as faults."""

import asyncio
import random
from collections.abc import Callable
from functools import lru_cache
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
from firewalker.runtime import deadline
from firewalker.runtime.grpc import pins
from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.runtime.grpc.h2state import HardenedH2
from firewalker.runtime.grpc.messages import internal_descriptors
from firewalker.runtime.grpc.wire import ServerConnection

CALL_S = 5.0
"""Longest call where neither the caller nor the present deadline says less."""

MARGIN_S = 0.02
"""Taken off an onward deadline, so that this side still has time to answer (conventions.md, after boulder)."""

_CONNECT_S = 2.0
_BACKOFF_S = 0.1
_MAX_BACKOFF_S = 3.0


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

    Every call carries this service's credential and a deadline: the present call's less 20 ms, at most 5 s unless
    the caller gives a timeout. It raises ServiceUnavailable where the service cannot be reached or goes away,
    DeadlineExceeded, and CallRefused for any other answer that is not OK. Connects with the first call, again after the
    connection is lost, and then not more often than a growing delay allows: calls in between fail at once.
    """

    def __init__(self, address: str, service_token: str) -> None:
        pins.check()
        host, _, port = address.rpartition(":")
        super().__init__(
            host.strip("[]"),
            int(port),
            config=Configuration(_keepalive_time=120.0, _keepalive_timeout=20.0, _http2_max_pings_without_data=0),
        )
        self._credential = ("authorization", f"Bearer {service_token}")
        self._failures = 0
        self._not_before = 0.0

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
        return _Stream(
            self,
            name,
            headers,
            cardinality,
            request_type,
            reply_type,
            codec=_codec(name),
            status_details_codec=self._status_details_codec,
            dispatch=self.__dispatch__,
            deadline=Deadline.from_timeout(max(0.0, limit_s)),
        )

    def close(self) -> None:
        """Close the connection; calls under way get ServiceUnavailable. A later call connects anew."""
        if self._protocol is not None:
            self._protocol.processor.close()
            self._protocol = None

    def _protocol_factory(self) -> H2Protocol:
        return _Protocol(grpclib.client.Handler(), self._config, self._h2_config)

    async def _create_connection(self) -> H2Protocol:
        now = self._loop.time()
        if now < self._not_before:
            raise ServiceUnavailable
        try:
            async with asyncio.timeout(_CONNECT_S):
                protocol = await super()._create_connection()
        except OSError as error:  # TimeoutError is one
            self._failures += 1
            delay_s = min(_MAX_BACKOFF_S, _BACKOFF_S * 2.0 ** (self._failures - 1))
            self._not_before = self._loop.time() + delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            raise ServiceUnavailable from error
        self._failures = 0
        return protocol


class _Stream(grpclib.client.Stream[Any, Any]):
    """A call whose ends are faults."""

    async def __aenter__(self) -> Self:
        if self._deadline is not None and self._deadline.time_remaining() <= 0:
            raise DeadlineExceeded
        await super().__aenter__()
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
        if error is not None:
            translated = _translate(error)
            if translated is not error:
                raise translated from error
            raise error


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
    """grpclib's client protocol with a state that survives a GOAWAY."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        h2 = HardenedH2(config=self.h2_config)
        h2.initiate_connection()
        grow = self.config.http2_connection_window_size - h2.local_settings.initial_window_size
        if grow > 0:
            h2.increment_flow_control_window(grow)
        self.connection = ServerConnection(h2, cast("asyncio.Transport", transport), config=self.config)
        self.connection.flush()
        self.connection.initialize()
        self.processor = _Processor(self.handler, self.connection)


class _Processor(EventsProcessor):
    """Ignores what it does not know, and lets calls finish that the server still answers after a GOAWAY (M10)."""

    _leaving = False

    def process(self, event: Event) -> None:
        if event.__class__ in getattr(self, "processors", {}):
            super().process(event)

    def process_connection_terminated(self, event: Any) -> None:
        # New calls open a new connection from here on: the channel looks at this flag of the handler.
        self.handler.close()
        self._leaving = True
        if event.error_code != ErrorCodes.NO_ERROR:
            self.close(f"the server ended the connection: {event.error_code}")
            return
        for stream_id, stream in list(self.streams.items()):
            if stream_id > event.last_stream_id:
                stream.__terminated__("the server did not take this call")
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
