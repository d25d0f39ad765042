"""What the relay tells about each lane: metrics only."""

from prometheus_client import Counter, Gauge

from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.outbox.lane import Counts

_DELIVERED = Counter("firewalker_outbox_delivered_total", "Events delivered.", ["destination"], registry=REGISTRY)
_REFUSED = Counter(
    "firewalker_outbox_refused_total", "Attempts at single events that failed.", ["destination"], registry=REGISTRY
)
_TROUBLE = Counter(
    "firewalker_outbox_trouble_total", "Deliveries that failed as a whole.", ["destination"], registry=REGISTRY
)
_WAITING = Gauge("firewalker_outbox_waiting", "Events to be delivered.", ["destination"], registry=REGISTRY)
_SET_ASIDE = Gauge(
    "firewalker_outbox_set_aside", "Events given up; replay them once mended.", ["destination"], registry=REGISTRY
)
_OLDEST = Gauge(
    "firewalker_outbox_oldest_seconds", "Age of the oldest event to be delivered.", ["destination"], registry=REGISTRY
)


class LaneReport:
    """The metrics of one destination."""

    def __init__(self, destination: str) -> None:
        self._destination = destination
        for counter in (_DELIVERED, _REFUSED, _TROUBLE):
            counter.labels(destination)

    def delivered(self, count: int) -> None:
        """*count* events arrived."""
        _DELIVERED.labels(self._destination).inc(count)

    def refused(self) -> None:
        """One event was refused."""
        _REFUSED.labels(self._destination).inc()

    def in_trouble(self) -> None:
        """The destination, or our database, failed as a whole."""
        _TROUBLE.labels(self._destination).inc()

    def counted(self, counts: Counts) -> None:
        """How the lane stands."""
        _WAITING.labels(self._destination).set(counts.waiting)
        _SET_ASIDE.labels(self._destination).set(counts.set_aside)
        _OLDEST.labels(self._destination).set(counts.oldest_s)
