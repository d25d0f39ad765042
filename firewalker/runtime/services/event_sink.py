"""Handing events over to another service's `EventSinkService`. When, and what again, is the outbox relay's business."""

from collections.abc import Sequence

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.faults import Fault, Kind
from firewalker.runtime import tracing
from firewalker.runtime.grpc.channel import CallRefused, InternalChannel
from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.runtime.outbox import SinkFailed

_EVENTS_ARE_TO_BLAME = frozenset(
    {"INVALID_ARGUMENT", "OUT_OF_RANGE", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION"}
)
"""Answers that another try with the same events would get again."""

_SOMEBODY_IS_TO_BLAME = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})
"""Answers of a receiver with a bug, which one event may bring out, or any."""


class EventRefused(Fault):
    """The receiver cannot take one of the events, now or later."""

    kind = Kind.INVALID
    reason = "EVENT_REFUSED"
    message = "The receiving service refuses an event."


class RemoteSink:
    """The event sink behind a channel."""

    def __init__(self, channel: InternalChannel) -> None:
        self._stub = pb.EventSinkServiceStub(channel)

    async def deliver(self, payloads: Sequence[bytes]) -> None:
        """Hand over serialised events, oldest first; they are durable there when this returns.

        Raises:
            EventRefused: One of them is to blame.
            SinkFailed: The receiver has a bug, which one of them brings out or any event.
            ServiceUnavailable, DeadlineExceeded: The receiver is in trouble, or not set up to take events from here.
        """
        request = pb.DeliverRequest(events=[pb.Event.parse(payload) for payload in payloads])
        traces = list(dict.fromkeys(event.traceparent for event in request.events if event.traceparent))
        try:
            with tracing.span("deliver events", links=traces, events=len(request.events)):
                await self._stub.deliver(request)
        except CallRefused as refused:
            # A wrong credential, a missing method or a full queue is nothing that setting an event aside would mend.
            if refused.status in _EVENTS_ARE_TO_BLAME or refused.reason == "MESSAGE_TOO_LARGE":
                raise EventRefused from refused
            if refused.status in _SOMEBODY_IS_TO_BLAME:
                raise SinkFailed from refused
            raise ServiceUnavailable from refused
