"""Prometheus metrics of the transcoder: requests, their durations, open streams. No labels from clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""From a warm local call to the longest deadline."""

LONG_TURN_S: Final = 0.02
"""From here on a turn of the event loop counts as long."""


class Metrics:
    """The process's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "transcoder_requests", "Requests by method and HTTP status.", ["rpc", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "transcoder_request_seconds",
            "Time from headers to the last byte; streams count their whole life.",
            ["rpc"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._streams = Gauge("transcoder_open_streams", "Server streams that are open.", registry=self.registry)
        self._long_turns = Counter(
            "transcoder_event_loop_long_turns",
            "Turns of the event loop that computed for 20 ms or more.",
            registry=self.registry,
        )
        self._longest_turn = Gauge(
            "transcoder_event_loop_longest_turn_seconds",
            "The longest turn of the event loop so far, in CPU time.",
            registry=self.registry,
        )
        self._longest_s = 0.0
        self._count: dict[tuple[str, int], Callable[[], None]] = {}
        self._observe: dict[str, Callable[[float], None]] = {}

    def watch_streams(self, count: Callable[[], int]) -> None:
        """Report what *count* says as the number of open streams."""
        self._streams.set_function(count)

    def turn(self, seconds: float) -> None:
        """Take a turn of the event loop into account."""
        if seconds > self._longest_s:
            self._longest_s = seconds
            self._longest_turn.set(seconds)
        if seconds >= LONG_TURN_S:
            self._long_turns.inc()

    def request(self, rpc: str, status: int, seconds: float) -> None:
        """Count a finished request. *rpc* is "" when no route matched."""
        count = self._count.get((rpc, status))
        if count is None:
            count = self._count[rpc, status] = self._requests.labels(rpc, str(status)).inc
            self._observe.setdefault(rpc, self._seconds.labels(rpc).observe)
        count()
        self._observe[rpc](seconds)
