"""Chores: what a process does now and then beside its calls, such as removing what nobody needs any more."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from prometheus_client import Counter

from firewalker.kernel.faults import Fault
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.tasks import begin, end

_PAUSE_S = 1.0
"""Between two portions of one round: a chore gives way to calls."""

_ROUNDS = Counter(
    "firewalker_chore_rounds_total", "Rounds of chores by outcome.", ["chore", "outcome"], registry=REGISTRY
)
_log = structlog.get_logger(__name__)


class Chore:
    """Runs *work* every *every*, in portions. A part of a process; several processes may run the same one.

    *work* does one bounded portion and tells how much it did; 0 ends the round. Whatever it raises ends the round and is
    logged: the next one tries again, and calls need not suffer for it. The first round comes after a random part of *every*, so that processes take turns.
    """

    def __init__(self, name: str, every: timedelta, work: Callable[[], Awaitable[int]]) -> None:
        self._name = name
        self._every_s = every.total_seconds()
        self._work = work
        self._task: asyncio.Task[None] | None = None
        for outcome in ("done", "failed"):
            _ROUNDS.labels(name, outcome)

    async def start(self) -> None:
        """Begin to wait for the first round."""
        self._task = begin(self._run(), f"chore {self._name}")

    async def stop(self) -> None:
        """Stop; a portion under way is rolled back."""
        await end([self._task])

    async def _run(self) -> None:
        await asyncio.sleep(random.uniform(0, self._every_s))  # noqa: S311 - to take turns, not to keep a secret
        while True:
            try:
                done = 0
                while portion := await self._work():
                    done += portion
                    await asyncio.sleep(_PAUSE_S)
                _ROUNDS.labels(self._name, "done").inc()
                _log.debug("chore_done", chore=self._name, done=done)
            except Fault as fault:
                _ROUNDS.labels(self._name, "failed").inc()
                _log.warning("chore_put_off", chore=self._name, reason=fault.reason)
            except Exception:  # noqa: BLE001 - logged whole
                _ROUNDS.labels(self._name, "failed").inc()
                _log.exception("chore_failed", chore=self._name)
            await asyncio.sleep(self._every_s)
