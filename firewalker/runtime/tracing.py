"""Traces: which work belongs to which call, across services. What is traced is said where it happens, by `span`.

Without `start`, nothing is recorded and `span` costs a comparison; the ids of a call still reach its log lines and travel on
to other services, as W3C trace context (`traceparent`) and ``x-request-id``. With it, OpenTelemetry exports spans over
OTLP/HTTP from a thread of its own. Whether a trace is kept is decided by its id alone, the same in every process that was told
the same share: what clients say about it does not count, or they could have every call recorded.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_MOST_LINKS: Final = 32
_FLUSH_S: Final = 2.0
"""How long the spans at the end of a process may take to leave."""


class CallIds(NamedTuple):
    """By what a call is found again."""

    request_id: str
    """Empty for work that a call left behind in a queue."""
    traceparent: str
    """The trace that it is part of; empty for none."""
    span: Any = None
    """OpenTelemetry's, while traces are recorded."""

    @property
    def trace_id(self) -> str | None:
        """The trace's 32 hexadecimal digits."""
        return self.traceparent[3:35] or None


current: ContextVar[CallIds | None] = ContextVar("call_ids", default=None)
"""Those of the present call, or of the one that the present work goes back to; None in the background."""

_OFF: Final = nullcontext()
_otel: Any = None
"""What there is of OpenTelemetry while traces are recorded; see `_Recorder`."""


class _Recorder:
    """OpenTelemetry, imported when it is wanted: that takes longer than all else at the start of a process."""

    def __init__(self, endpoint: str, service: str, share: float) -> None:
        from opentelemetry import context, trace  # noqa: PLC0415 - see above
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self.trace = trace
        self.context = context
        self.propagator = TraceContextTextMapPropagator()
        resource = Resource.create({"service.name": f"firewalker-{service}"})
        self.provider = TracerProvider(sampler=TraceIdRatioBased(share), resource=resource, shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self.tracer = self.provider.get_tracer("firewalker")

    def parent(self, traceparent: str) -> Any:
        """The context in which *traceparent* is the parent; an empty one for none."""
        carrier = {"traceparent": traceparent} if traceparent else {}
        return self.propagator.extract(carrier, context=self.context.Context())

    def told(self) -> str:
        """The present span as a `traceparent`; empty for none."""
        carrier: dict[str, str] = {}
        self.propagator.inject(carrier)
        return carrier.get("traceparent", "")


def start(endpoint: str, *, service: str, share: float) -> None:
    """Record *share* (0 to 1) of all traces and send them to *endpoint*, the URL of a collector's ``/v1/traces``."""
    global _otel  # noqa: PLW0603 - one per process, as its log
    _otel = _Recorder(endpoint, service, share)


def stop() -> None:
    """Send what is left, for up to 2 s, and record nothing more. Blocks."""
    global _otel  # noqa: PLW0603 - one per process, as its log
    recorder = _otel
    _otel = None
    if recorder is not None:
        # OpenTelemetry's own limit is no limit: it tries each batch for 10 s. What is left then goes with the process.
        sending = threading.Thread(target=recorder.provider.shutdown, name="last spans", daemon=True)
        sending.start()
        sending.join(_FLUSH_S)


def enter(method: str, request_id: str, traceparent: bytes) -> CallIds:
    """A call begins, in a task of its own: what is done there is part of it. What is returned is to be handed to `leave`."""
    told = understood(traceparent.decode("latin-1"))
    if _otel is None:
        ids = CallIds(request_id, told)
        current.set(ids)
        return ids
    span = _otel.tracer.start_span(method[1:], _otel.parent(told), _otel.trace.SpanKind.SERVER)
    span.set_attribute("rpc.system", "grpc")
    span.set_attribute("firewalker.request_id", request_id)
    _otel.context.attach(_otel.trace.set_span_in_context(span))
    ids = CallIds(request_id, _otel.told(), span)
    current.set(ids)
    return ids


def leave(ids: CallIds, status: str, reason: str, *, failed: bool) -> None:
    """The call is over."""
    span = ids.span
    if span is None or _otel is None:
        return
    span.set_attribute("rpc.grpc.status", status)
    if reason:
        span.set_attribute("firewalker.reason", reason)
    if failed:
        span.set_status(_otel.trace.StatusCode.ERROR, reason or status)
    span.end()


def span(name: str, *, links: Sequence[str] = (), **attributes: str | float) -> AbstractContextManager[Any]:
    """A block of work at somebody else's: a statement, a command, a message. An exception that leaves it marks it.

    With one *link*, a `traceparent`, and no call around, it is part of that trace; else it is only tied to them.
    """
    if _otel is None:
        return _OFF
    return _recorded(name, links, attributes)


def _recorded(name: str, links: Sequence[str], attributes: Any) -> AbstractContextManager[Any]:
    trace = _otel.trace
    context, tied = None, []
    if len(links) == 1 and current.get() is None:
        context = _otel.parent(links[0])
    elif links:
        found = (trace.get_current_span(_otel.parent(link)).get_span_context() for link in links[:_MOST_LINKS])
        tied = [trace.Link(where) for where in found if where.is_valid]
    return _Block(_otel.tracer.start_span(name, context, trace.SpanKind.CLIENT, attributes, tied))


class _Block:
    """A span around a block. Of an exception it tells the class alone: texts can hold what users sent (PRIV-03)."""

    def __init__(self, span: Any) -> None:
        self._span = span
        self._otel = _otel

    def __enter__(self) -> Any:
        self._token = self._otel.context.attach(self._otel.trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._otel.context.detach(self._token)
        if kind is not None:
            self._span.set_status(self._otel.trace.StatusCode.ERROR, kind.__name__)
        self._span.end()


def resumed(traceparent: str) -> AbstractContextManager[None]:
    """A block of work that waited in a queue: its spans and its log lines belong to the trace that put it there, if any did."""
    return _resumed(traceparent) if traceparent else _OFF


@contextmanager
def _resumed(traceparent: str) -> Iterator[None]:
    before = current.set(CallIds("", traceparent))
    recorder = _otel
    token = None if recorder is None else recorder.context.attach(recorder.parent(traceparent))
    try:
        yield
    finally:
        if recorder is not None:
            recorder.context.detach(token)
        current.reset(before)


@contextmanager
def caused(name: str, causes: Sequence[str], **attributes: str | float) -> Iterator[Any]:
    """A span of work that waited in a queue: of the trace of its one cause, a `traceparent`; only tied to them if it has several."""
    causes = list(dict.fromkeys(cause for cause in causes if cause))
    only = causes[0] if len(causes) == 1 else ""
    with resumed(only), span(name, links=() if only else causes, **attributes) as made:
        yield made


def note(**attributes: str | float) -> None:
    """Add to the present span what became known within it."""
    if _otel is not None:
        _otel.trace.get_current_span().set_attributes(attributes)


def understood(traceparent: str) -> str:
    """*traceparent* as it is, if it is one; else nothing."""
    return traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else ""


def onward() -> str:
    """What to tell others of the present trace, as a `traceparent`; empty for none."""
    if _otel is not None:
        told: str = _otel.told()
        return told
    ids = current.get()
    return "" if ids is None else ids.traceparent
