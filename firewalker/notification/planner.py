"""The worker that plans pushes, as a part of the process."""

import asyncio

import structlog

from firewalker.kernel.faults import Fault
from firewalker.notification.usecases.planning import Planning
from firewalker.runtime.tasks import begin, end

IDLE_S = 1.0
"""How often it looks without being woken: for what other processes took in, and what becomes due."""

_log = structlog.get_logger(__name__)


class Planner:
    """Plans what is due: at once after an event that this process took in, else within a second."""

    def __init__(self) -> None:
        self._planning: Planning | None = None
        self._news = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def attach(self, planning: Planning) -> None:
        """What does it; before `start`."""
        self._planning = planning

    def wake(self) -> None:
        """There may be something to plan now."""
        self._news.set()

    async def start(self) -> None:
        """Begin."""
        if self._planning is not None:
            self._task = begin(self._run(self._planning), "push planner")

    async def stop(self) -> None:
        """Finish the round under way, then end."""
        self._stopping = True
        self._news.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=5)
            await end([self._task])

    async def _run(self, planning: Planning) -> None:
        while not self._stopping:
            self._news.clear()
            try:
                done = await planning.work()
            except Fault as fault:
                _log.warning("pushes_not_planned", reason=fault.reason)
                done = 0
            except Exception:  # noqa: BLE001 - logged whole; what was leased comes back by itself
                _log.exception("planning_failed")
                done = 0
            if not done and not self._stopping:
                try:
                    async with asyncio.timeout(IDLE_S):
                        await self._news.wait()
                except TimeoutError:
                    pass
