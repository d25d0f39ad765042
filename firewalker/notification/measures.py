"""How far behind the queues are: told to who watches the process, and to who decides what is worth queueing (DLV-12)."""

import asyncio

import structlog
from prometheus_client import Gauge

from firewalker.kernel.clock import Clock
from firewalker.notification.domain.notification import Lane
from firewalker.notification.usecases.backlog import Backlog
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.tasks import begin, end, going_on

MOST_STANDINGS = 20_000
"""Messages about standings that may be due and wait, which a process sends in half a minute. While more do, every new push
about standings is dropped, also one that would be news for hours: a plain bound of what is queued."""

_MEASURE_S = 10.0

_WAITING = Gauge("firewalker_push_queue_due", "What is due, by stage and lane.", ["stage", "lane"], registry=REGISTRY)
_AGE = Gauge(
    "firewalker_push_queue_age_seconds", "How long the first that is due waits.", ["stage", "lane"], registry=REGISTRY
)
_CROWDED = Gauge(
    "firewalker_push_queue_crowded", "1 while pushes about standings are dropped: too many wait.", registry=REGISTRY
)
_log = structlog.get_logger(__name__)


class Measures:
    """Looks every 10 s; a part of the process."""

    def __init__(self, backlog: Backlog, clock: Clock) -> None:
        self._backlog = backlog
        self._clock = clock
        self._crowded = False
        self._task: asyncio.Task[None] | None = None

    def crowded(self) -> bool:
        """Whether more than `MOST_STANDINGS` wait to be sent, as of the last look."""
        return self._crowded

    async def start(self) -> None:
        """Begin."""
        self._task = begin(self._run(), "push queue measures")

    async def stop(self) -> None:
        """End."""
        await end([self._task])

    async def look(self) -> None:
        """Measure now."""
        to_send = await self._backlog.of_deliveries()
        for stage, found in (("plan", await self._backlog.of_pushes()), ("send", to_send)):
            for lane in Lane:
                number, oldest = found.get(lane, (0, None))
                age = (self._clock.now() - oldest).total_seconds() if oldest else 0
                _WAITING.labels(stage, lane.name.lower()).set(number)
                _AGE.labels(stage, lane.name.lower()).set(max(0, age))
        crowded = to_send.get(Lane.STANDINGS, (0, None))[0] > MOST_STANDINGS
        if crowded and not self._crowded:
            _log.error("push_queue_crowded", waiting=to_send[Lane.STANDINGS][0])
        self._crowded = crowded
        _CROWDED.set(int(crowded))

    async def _run(self) -> None:
        while True:
            with going_on("measuring"):
                await self.look()
            await asyncio.sleep(_MEASURE_S)
