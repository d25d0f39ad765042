"""What is counted of every call. Counting costs a few dictionary operations; the shapes are made when asked for."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from firewalker.runtime.metrics import REGISTRY

_BOUNDS_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

UNKNOWN_METHOD = "unknown"
"""The method label of calls that name no method of ours: what clients send is no label."""


class CallMeasures(Collector):
    """Calls by method and status, their durations, open streams, and what happened to connections."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Shows itself in *registry* if there is one."""
        self._calls: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._durations: dict[str, list[float]] = {}
        self._open: defaultdict[str, int] = defaultdict(int)
        self._connections: defaultdict[str, int] = defaultdict(int)
        if registry is not None:
            registry.register(self)

    def ended(self, method: str, status: str, reason: str, seconds: float | None) -> None:
        """A call ended. *seconds* is None for streams, whose length says nothing, and for calls refused unread."""
        self._calls[method, status, reason] += 1
        if seconds is None:
            return
        row = self._durations.get(method)
        if row is None:
            row = self._durations[method] = [0.0] * (len(_BOUNDS_S) + 2)
        row[bisect_left(_BOUNDS_S, seconds)] += 1
        row[-1] += seconds

    def opened(self, method: str) -> None:
        """A stream is being served."""
        self._open[method] += 1

    def closed(self, method: str) -> None:
        """A stream is no longer served."""
        self._open[method] -= 1

    def connection(self, event: str) -> None:
        """Something happened to a connection: opened, closed, or refused for a named cause."""
        self._connections[event] += 1

    def calls(self, method: str, status: str) -> int:
        """How many calls of *method* ended with *status*, whatever the reason."""
        return sum(count for (m, s, _), count in self._calls.items() if (m, s) == (method, status))

    def connections(self, event: str) -> int:
        """How often *event* happened."""
        return self._connections[event]

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        """Called by the metrics port, on its own thread."""
        calls = CounterMetricFamily(
            "firewalker_grpc_calls", "Ended calls, by method, status and reason.", labels=["method", "status", "reason"]
        )
        for (method, status, reason), ended in list(self._calls.items()):
            calls.add_metric([method, status, reason], ended)
        yield calls
        durations = HistogramMetricFamily(
            "firewalker_grpc_call_seconds", "Duration of unary calls in the server.", labels=["method"]
        )
        for method, row in list(self._durations.items()):
            total, buckets = 0.0, []
            for bound, count in zip([*map(str, _BOUNDS_S), "+Inf"], row, strict=False):
                total += count
                buckets.append((bound, total))
            durations.add_metric([method], buckets, row[-1])
        yield durations
        streams = GaugeMetricFamily("firewalker_grpc_open_streams", "Streams being served.", labels=["method"])
        for method, open_now in list(self._open.items()):
            streams.add_metric([method], open_now)
        yield streams
        connections = CounterMetricFamily("firewalker_grpc_connections", "Connections, by event.", labels=["event"])
        for event, times in list(self._connections.items()):
            connections.add_metric([event], times)
        yield connections


MEASURES = CallMeasures(REGISTRY)
"""This process's."""
