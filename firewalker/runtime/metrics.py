"""What a process tells about itself: one registry, the metrics of the runtime, and the port that shows them.

Metrics of a service live in that service and register here. Labels are few and never made of what users send.
"""

import asyncio
import threading
from collections.abc import Iterator
from typing import Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()
"""Everything this process shows. Not the library's global one, which tests and other libraries share."""

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

TRANSACTION_REPEATS = Counter(
    "firewalker_mysql_transaction_repeats_total", "Transactions run again, by cause.", ["cause"], registry=REGISTRY
)
EVENT_LOOP_LAG = Gauge(
    "firewalker_event_loop_lag_seconds", "Longest delay of a timer within the last second.", registry=REGISTRY
)
_DROPPED = Counter(
    "firewalker_mysql_connections_dropped_total",
    "Connections ended, by cause.",
    ["database", "cause"],
    registry=REGISTRY,
)
_REFUSED = Counter(
    "firewalker_mysql_acquire_refused_total",
    "Callers without a connection, by cause.",
    ["database", "cause"],
    registry=REGISTRY,
)
_CONNECT_FAILED = Counter(
    "firewalker_mysql_connect_failures_total", "Connections that could not be opened.", ["database"], registry=REGISTRY
)
_ASKED = Histogram(
    "firewalker_mysql_statement_seconds", "From sending a statement to its whole answer; COMMIT is not among them.",
    ["database"], buckets=(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3), registry=REGISTRY,
)  # fmt: skip
_COMMITTED = Histogram(
    "firewalker_mysql_commit_seconds", "From sending COMMIT to its answer.",
    ["database"], buckets=(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3), registry=REGISTRY,
)  # fmt: skip
_WAITED = Histogram(
    "firewalker_mysql_acquire_seconds", "Wait of callers that did not get an idle connection at once.", ["database"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3), registry=REGISTRY,
)  # fmt: skip
_READS = Counter(
    "firewalker_mysql_reads_total",
    "Reads that a replica may answer, by who did.",
    ["database", "server"],
    registry=REGISTRY,
)
_REPLICA_LAG = Gauge(
    "firewalker_mysql_replica_lag_seconds",
    "Age of what the replica is known to have, at the last look; infinite where that is not known.",
    ["database"],
    registry=REGISTRY,
)


class Occupancy(Protocol):
    """The counts of a pool."""

    @property
    def idle(self) -> int: ...  # noqa: D102
    @property
    def lent(self) -> int: ...  # noqa: D102
    @property
    def opening(self) -> int: ...  # noqa: D102
    @property
    def waiting(self) -> int: ...  # noqa: D102


class _Pools(Collector):
    """Reads the pools when asked, so that lending costs nothing."""

    def __init__(self) -> None:
        self.pools: dict[int, tuple[str, Occupancy]] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "firewalker_mysql_connections", "Connections, by state.", labels=["database", "state"]
        )
        for name, pool in list(self.pools.values()):
            for state in ("idle", "lent", "opening", "waiting"):
                family.add_metric([name, state], getattr(pool, state))
        yield family


_POOLS = _Pools()
REGISTRY.register(_POOLS)


class PoolMetrics:
    """What one pool reports."""

    def __init__(self, name: str, pool: Occupancy) -> None:
        self._name = name
        self._key = id(self)
        self._waited = _WAITED.labels(name)
        self._connect_failed = _CONNECT_FAILED.labels(name)
        self.asked = _ASKED.labels(name).observe
        """Tells how long a statement took, in seconds."""
        self.committed = _COMMITTED.labels(name).observe
        """Tells how long a COMMIT took, in seconds."""
        # All that can happen is shown from the beginning, as 0: what appears with its first increase has no rate.
        for cause in ("lost", "expired", "broken"):
            _DROPPED.labels(name, cause)
        for cause in ("queue_full", "timed_out"):
            _REFUSED.labels(name, cause)
        _POOLS.pools[self._key] = (name, pool)

    def waited(self, seconds: float) -> None:
        """A caller got a connection after *seconds*."""
        self._waited.observe(seconds)

    def dropped(self, cause: str) -> None:
        """A connection was ended; *cause* is one of lost, expired, broken."""
        _DROPPED.labels(self._name, cause).inc()

    def refused(self, cause: str) -> None:
        """A caller got none; *cause* is one of queue_full, timed_out."""
        _REFUSED.labels(self._name, cause).inc()

    def connect_failed(self) -> None:
        """A connection could not be opened."""
        self._connect_failed.inc()

    def close(self) -> None:
        """The pool is gone."""
        _POOLS.pools.pop(self._key, None)


class ReplicaMetrics:
    """What is told of one replica."""

    def __init__(self, database: str) -> None:
        self.read = _READS.labels(database, "replica").inc
        """The replica answered a read."""
        self.read_by_primary = _READS.labels(database, "primary").inc
        """The primary answered one that the replica might have."""
        self.behind = _REPLICA_LAG.labels(database).set
        """Tells by how many seconds it is behind at most."""


class MetricsServer:
    """Shows the registry over HTTP from a thread of its own, so that a busy event loop still tells that it is busy."""

    def __init__(self, host: str, port: int) -> None:
        """Bind at once; *port* 0 takes a free one.

        Raises:
            OSError: The port is taken.
        """
        self._server = make_server(host, port, make_wsgi_app(REGISTRY), _OneAtATime, _Silent)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port. Blocks up to half a second."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _OneAtATime(WSGIServer):
    request_queue_size = 16

    def handle_error(self, *_: object) -> None:
        """A scraper that goes away is no news."""


class _Silent(WSGIRequestHandler):
    timeout = 5  # a scraper that never finishes its request must not keep others out

    def log_message(self, *_: object) -> None:
        """Scrapes are not logged."""


LAG_PROBE_S = 0.1


async def watch_event_loop() -> None:
    """Measure, until cancelled, by how much timers come late: the largest delay of the last second is shown."""
    loop = asyncio.get_running_loop()
    while True:
        worst = 0.0
        for _ in range(10):
            due = loop.time() + LAG_PROBE_S
            await asyncio.sleep(LAG_PROBE_S)
            worst = max(worst, loop.time() - due)
        EVENT_LOOP_LAG.set(worst)
