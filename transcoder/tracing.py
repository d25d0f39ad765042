"""Traces: one span for each request, whose context travels on to the services as `traceparent`. Off unless it is started.

Without, a client's own `traceparent` travels on as it came. Whether a trace is kept is decided by its id alone, as the services
do it: what clients say about it does not count.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Final

from transcoder.exchange import Exchange

TRACEPARENT: Final = b"traceparent"

_FORM: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_FLUSH_S: Final = 2.0
"""How long the spans at the end of a process may take to leave."""
_LEAST_FAILURE: Final = 500


def trace_id(exchange: Exchange) -> str | None:
    """The id of the trace that a request is part of, for its log line; None for none."""
    told = exchange.headers.get(TRACEPARENT)
    return told[3:35].decode() if told is not None and _FORM.fullmatch(told) else None


class Tracing:
    """Makes spans and sends them, by OpenTelemetry's SDK, from a thread of its own."""

    def __init__(self, endpoint: str, share: float) -> None:
        """Send to *endpoint*, the URL of a collector's ``/v1/traces``, *share* (0 to 1) of all traces."""
        # Imported where wanted: it takes a good part of a second.
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        resource = Resource.create({"service.name": "transcoder"})
        self._provider = TracerProvider(sampler=TraceIdRatioBased(share), resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("transcoder")
        self._trace = trace
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, exchange: Exchange) -> Any:
        """A request begins; its span, for `end`. From here on its headers tell of the span, to whoever they are passed on."""
        told = exchange.headers.get(TRACEPARENT, b"").decode("latin-1")
        parent = self._propagator.extract({"traceparent": told}) if told else None
        span = self._tracer.start_span(exchange.method, parent, self._trace.SpanKind.SERVER)
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._trace.set_span_in_context(span))
        exchange.headers[TRACEPARENT] = carrier["traceparent"].encode()
        return span

    def end(self, span: Any, exchange: Exchange, status: int) -> None:
        """It is over."""
        if exchange.route:
            span.update_name(f"{exchange.method} {exchange.route}")
            span.set_attribute("http.route", exchange.route)
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("request_id", exchange.request_id.decode())
        if status >= _LEAST_FAILURE:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what is left, for up to 2 s. Blocks.

        The SDK waits for its exporter whatever it is told, so that happens in a thread that does not keep the process.
        """
        sending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        sending.start()
        sending.join(_FLUSH_S)
