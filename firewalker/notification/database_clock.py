"""A clock that all processes share: the database's. A machine whose own is wrong sends nothing early, and nothing late."""

import asyncio
from datetime import datetime, timedelta

import structlog

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Fault
from firewalker.notification.store import moments
from firewalker.runtime.mysql import Database
from firewalker.runtime.tasks import begin, end

LOOK_S = 10.0
"""How often the database is asked. In between this machine measures, which a set clock does not disturb."""

_log = structlog.get_logger(__name__)


class DatabaseClock:
    """Implements `Clock`; a part of the process. Until the database has answered it is the machine's."""

    def __init__(self, database: Database, machine: Clock) -> None:
        self._db = database
        self._machine = machine
        self._base: datetime | None = None
        self._mark = 0.0
        self._task: asyncio.Task[None] | None = None

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        if self._base is None:
            return self._machine.now()
        return self._base + timedelta(seconds=self._machine.monotonic() - self._mark)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return self._machine.monotonic()

    async def start(self) -> None:
        """Ask, then go on asking now and then."""
        await self._look()
        self._task = begin(self._run(), "database clock")

    async def stop(self) -> None:
        """Go by what was heard last."""
        await end([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look()

    async def _look(self) -> None:
        asked = self._machine.monotonic()
        try:
            async with self._db.reading() as tx:
                at = await moments.now(tx)
        except Fault as fault:
            _log.warning("database_clock_unread", reason=fault.reason)
            return
        except Exception:  # noqa: BLE001 - logged whole; what was heard last goes on
            _log.exception("database_clock_failed")
            return
        heard = self._machine.monotonic()
        # It was read about in the middle between asking and hearing.
        self._base, self._mark = at, (asked + heard) / 2
