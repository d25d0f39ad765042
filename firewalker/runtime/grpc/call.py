"""One call, from its headers to its trailers. The edge decides about it; the connection feeds it; the door serves it."""

import asyncio
from collections.abc import Callable
from enum import Enum
from struct import Struct
from time import monotonic
from typing import TYPE_CHECKING, Any

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from firewalker.kernel import principal as principals
from firewalker.kernel.faults import DeadlineExceeded, Fault, MalformedMessage, StreamIdle
from firewalker.runtime import deadline as deadlines
from firewalker.runtime import tracing
from firewalker.runtime.grpc.compression import ACCEPTED, ENCODING, ENCODINGS, GZIP, MIN_BYTES, accepts_gzip, deflate
from firewalker.runtime.grpc.doors import Method
from firewalker.runtime.grpc.expiry import Expiry
from firewalker.runtime.grpc.faults import AnswerTooLarge, CompressionUnsupported, StreamStalled, StreamTooLong
from firewalker.runtime.grpc.heads import RequestHead
from firewalker.runtime.grpc.inbox import Inbox
from firewalker.runtime.grpc.partials import Partials
from firewalker.runtime.grpc.status import CANCELLED, OK, Outcome, internal, outcome_of
from firewalker.runtime.grpc.streams import HotStream
from firewalker.runtime.grpc.wire import Headers, ServerConnection

if TYPE_CHECKING:
    from firewalker.runtime.grpc.edge import Edge

SEND_STALL_S = 15.0
"""Longest wait for a client to take what it is sent (NET-21)."""

END_GRACE_S = 1.0
"""How long a stream that is offered its end may take to say goodbye."""

_PREFIX = Struct(">BL")
_CONTENT_TYPE = (b"content-type", b"application/grpc")
_HEAD = ((b":status", b"200"), _CONTENT_TYPE)


class Gone(Enum):
    """Ends of a call that are no fault and of which the client learns nothing more."""

    CLIENT = "client"
    """The client has reset the stream or closed the connection."""


class Call:
    """A running RPC. Also what grpclib's events processor keeps for the stream, and what generated code is handed."""

    def __init__(
        self,
        stream_id: int,
        head: RequestHead,
        method: Method,
        *,
        connection: ServerConnection,
        edge: "Edge",
        partials: Partials,
        expiry: Expiry,
        release: Callable[["Call"], None],
    ) -> None:
        self.id = stream_id
        self.head = head
        self.method = method
        self.request_id = head.request_id or edge.new_request_id()
        self.started = monotonic()
        self.deadline: float | None = None
        """When it has to be done, in seconds of `time.monotonic`."""
        self.principal: principals.Principal | None = None
        self.service: str | None = None
        """Which service calls, on the internal port."""
        self.placed = 0.0
        """Since when it holds a place among the calls that run at once (`time.monotonic`); 0 for none."""
        self.ids: tracing.CallIds | None = None
        """By what it is found again in logs and traces; None before it is served."""
        self.head_sent = False
        packed = head.encoding == GZIP
        self.inbox = Inbox(method.rule.max_message_bytes, self._give_back, packable=packed, partials=partials)
        self.head_metadata: Headers = ()
        """More headers for the answer, in front of its first message; set before that is sent."""
        self.trailing_metadata: Headers = ()
        """More trailers for its end."""
        # As the request, so the answer: who sends gzip has asked for it.
        self._packs = packed and (not head.accept_encoding or accepts_gzip(head.accept_encoding))
        self._connection = connection
        self._edge = edge
        self._expiry = expiry
        self._release = release
        self._message_sent = False
        self._received_messages = 0
        self._received_bytes = 0
        self._why: Fault | Gone | None = None
        self._stream: HotStream | None = None
        self._task: asyncio.Task[None] | None = None
        self._running = False
        self._done = False

    # -- what the connection calls ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to serve, in a task of its own."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def abandon(self) -> None:
        """The client is gone: cancel the work, tell nobody."""
        self._stop(Gone.CLIENT)

    def offer_end(self, fault: Fault) -> None:
        """Ask a stream to end for *fault*; after a second of grace it is ended. Unary calls run on."""
        if self._done or not self.method.streaming:
            return
        if self._stream is not None and not self._stream.ending.done():
            self._stream.ending.set_result(fault)
        asyncio.get_running_loop().call_later(END_GRACE_S, self._stop, fault)

    def run_out(self) -> None:
        """Its deadline has passed."""
        self._stop(DeadlineExceeded())

    def stop(self, fault: Fault) -> None:
        """End the call now; the client gets *fault*."""
        self._stop(fault)

    def refuse(self, outcome: Outcome) -> None:
        """Answer a call that was never started."""
        self._finish(outcome)

    @property
    def address(self) -> str:
        """The address of the client's end of the connection; empty if it has none."""
        return self._connection.host

    @property
    def done(self) -> bool:
        """Whether the call is over and answered."""
        return self._done

    # -- what doors call -------------------------------------------------------------------------------------------

    def stream(self) -> HotStream:
        """The call as a stream of messages."""
        if self._stream is None:
            self._stream = HotStream(self)
        return self._stream

    async def recv_message(self) -> Any:
        """The next message, decoded and checked; None when there are no more. A unary call has exactly one."""
        while (data := self.inbox.take()) is None:
            if self.inbox.ended:
                if self.method.client_streaming:
                    return None
                raise MalformedMessage
            await self._wait_for_client()
        if not self.method.client_streaming:
            inbox = self.inbox
            if inbox or inbox.fault is not None or not inbox.ended:
                await self._one_message_only()
        else:
            self._count(len(data))
        return self.method.parse(data)

    async def _wait_for_client(self) -> None:
        """Wait for something whole from the client, within bounds: it may send a byte now and then (NET-09, NET-20)."""
        if self.method.client_streaming:
            await self.inbox.wait(self.method.rule.idle_s)
            return
        try:
            await self.inbox.wait(self.method.rule.body_s)
        except StreamIdle:
            raise DeadlineExceeded from None

    def _count(self, size: int) -> None:
        self._received_messages += 1
        self._received_bytes += size
        rule = self.method.rule
        if self._received_messages > rule.stream_messages or self._received_bytes > rule.stream_bytes:
            raise StreamTooLong

    async def _one_message_only(self) -> None:
        """Wait for the client's half-close, which mostly came with the message, so that a second one is no surprise."""
        inbox = self.inbox
        while not (inbox.ended or inbox or inbox.fault is not None):
            await self._wait_for_client()
        if inbox.take() is not None:
            raise MalformedMessage

    def __aiter__(self) -> "Call":
        return self

    async def __anext__(self) -> Any:
        message = await self.recv_message()
        if message is None:
            raise StopAsyncIteration
        return message

    async def send_message(self, message: Any) -> None:
        """Send *message*, of either codec or already serialised, after what was sent before.

        Returns when the frames are queued; waits while the client does not read.

        Raises:
            AnswerTooLarge: It is over the rule's `max_answer_bytes`.
            StreamStalled: The client took nothing for 15 s.
        """
        data = message if type(message) is bytes else message.SerializeToString()
        if not self.method.server_streaming and self._message_sent:
            raise RuntimeError("a unary call has one answer")
        if len(data) > self.method.rule.max_answer_bytes:
            raise AnswerTooLarge
        if not self.head_sent:
            self._send_head()
        self._message_sent = True
        packed = deflate(data) if self._packs and len(data) >= MIN_BYTES else None
        framed = _PREFIX.pack(0, len(data)) + data if packed is None else _PREFIX.pack(1, len(packed)) + packed
        connection = self._connection
        if (
            connection.write_ready.is_set()
            and len(framed) <= connection.h2.max_outbound_frame_size
            and len(framed) <= connection.window(self.id)
        ):
            connection.write_data(self.id, framed)
        else:
            await self._send_in_pieces(framed)

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        self._running = True
        if self._done:
            return
        outcome = OK
        self.ids = tracing.enter(self.method.path, self.request_id, self.head.traceparent)
        try:
            if self.head.encoding:
                self._require_known_encoding()
            self._edge.admit(self)
            principals.current.set(self.principal)
            deadlines.current.set(self.deadline)
            if self._edge.rates is not None:
                await self._edge.rates.spend(self)
            if self._edge.in_doubt(self):
                await self._edge.settle(self)
            await self._serve()
            if self._why is not None:
                outcome = self._outcome_of_end()
        except Fault as fault:
            outcome = outcome_of(fault) if self._why is None else self._outcome_of_end()
        except asyncio.CancelledError:
            outcome = self._outcome_of_end()
        except Exception as error:  # noqa: BLE001 - the edge is where bugs become INTERNAL
            outcome = self._outcome_of_bug(error) if self._why is None else self._outcome_of_end()
        self._finish(outcome)

    def _require_known_encoding(self) -> None:
        if self.head.encoding not in ENCODINGS:
            raise CompressionUnsupported

    async def _serve(self) -> None:
        """Run the door's method under the deadline; a stream also under what may end it early."""
        if self.deadline is not None:
            self._expiry.watch(self.deadline)
        unwatch = self._edge.watch(self) if self.method.streaming else None
        try:
            await self.method.serve(self)
            if not self._message_sent and not self.method.server_streaming and self._why is None:
                raise RuntimeError(f"{self.method.path} gave no answer")
        finally:
            if unwatch is not None:
                unwatch()

    def _stop(self, why: Fault | Gone) -> None:
        if self._done or (self._why is not None and why is not Gone.CLIENT):
            return
        self._why = why
        if self._task is None or not self._running:
            # The task never began: cancelled now it would not even enter `_run`.
            if self._task is not None:
                self._task.cancel()
            self._finish(self._outcome_of_end())
        else:
            self._task.cancel()

    def _outcome_of_end(self) -> Outcome:
        if isinstance(self._why, Fault):
            return outcome_of(self._why)
        if self._why is Gone.CLIENT:
            return CANCELLED
        return self._outcome_of_bug(asyncio.CancelledError("cancelled from inside"))

    def _outcome_of_bug(self, error: BaseException) -> Outcome:
        if isinstance(error, ProtocolError):
            # The stream was closed under the door's hands; its reset is on the way to us.
            return CANCELLED
        self._edge.report_bug(self, error)
        return internal(self.request_id)

    def _send_head(self) -> None:
        self.head_sent = True
        head: Headers = (*_HEAD, (b"x-request-id", self.request_id.encode()), *self.head_metadata)
        if self.method.rule.keep_s:
            head = (*head, (b"cache-control", b"public, max-age=%d" % self.method.rule.keep_s))
        if self._packs:
            head = (*head, ENCODING, ACCEPTED)
        self._connection.write_headers(self.id, head, end=False)

    def _finish(self, outcome: Outcome) -> None:
        if self._done:
            return
        self._done = True
        if outcome is not CANCELLED and not self._connection.is_closing():
            try:
                self._send_trailers(outcome)
            except ProtocolError:
                outcome = CANCELLED
        self._release(self)
        self._edge.record(self, outcome)

    def _send_trailers(self, outcome: Outcome) -> None:
        connection = self._connection
        if self.head_sent:
            connection.write_headers(self.id, (*outcome.headers, *self.trailing_metadata), end=True)
        else:
            head = (*_HEAD, (b"x-request-id", self.request_id.encode()))
            extra = (ACCEPTED,) if outcome.reason == CompressionUnsupported.reason else ()
            trailing = (*self.head_metadata, *self.trailing_metadata)
            connection.write_headers(self.id, (*head, *extra, *outcome.headers, *trailing), end=True)
            self.head_sent = True
        if not self.inbox.ended and self.id in connection.h2.streams:
            # The client may stop sending: nobody reads on (RFC 9113, 8.1).
            connection.h2.reset_stream(self.id, ErrorCodes.NO_ERROR)
            connection.flush()

    async def _send_in_pieces(self, data: bytes) -> None:
        connection = self._connection
        position = 0
        while position < len(data):
            await self._writable()
            size = min(connection.window(self.id), connection.h2.max_outbound_frame_size, len(data) - position)
            if size > 0:
                connection.write_data(self.id, data[position : position + size])
                position += size

    async def _writable(self) -> None:
        """Return when something may be sent: the transport takes it, and the window is open."""
        connection = self._connection
        if connection.write_ready.is_set() and connection.window(self.id) > 0:
            return
        opened = asyncio.Event()
        connection.blocked.add(opened)
        try:
            async with asyncio.timeout(SEND_STALL_S):
                while True:
                    await connection.write_ready.wait()
                    if connection.window(self.id) > 0:
                        return
                    opened.clear()
                    await opened.wait()
        except TimeoutError:
            raise StreamStalled from None
        finally:
            connection.blocked.discard(opened)

    def _give_back(self, size: int) -> None:
        if not self._connection.is_closing():
            self._connection.ack(self.id, size)
