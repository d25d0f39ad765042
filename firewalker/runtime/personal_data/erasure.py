"""Erasing people: a tombstone at once, their rows in the background, again after everything that was under way is over.

The tombstone (the id and a time, nothing else) stays. As long as an access token of the person may live, what arrives late is
erased too; the last pass is made after that. A process that dies leaves the tombstone open, and another one goes on.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from prometheus_client import Gauge

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import UserId
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.runtime.personal_data import tombstones
from firewalker.runtime.personal_data.tables import PersonalTable, erase_some
from firewalker.runtime.tasks import begin, end, going_on
from firewalker.runtime.tokens import LEEWAY, MAX_LIFETIME

LOOK_S = 30.0
"""How often it is looked for tombstones that other processes have set, or whose last pass is due."""

LAST_PASS = MAX_LIFETIME + LEEWAY + timedelta(minutes=5)
"""So long after the deletion nothing of that person can arrive any more: no token lives, no event is on its way."""

AGAIN = timedelta(minutes=5)
"""How often somebody is erased before the last pass. More often would be in the way of others, where many go at a time."""

BATCH = 100
"""Tombstones read at once."""

Work = Callable[[UserId], Awaitable[None]]

_OLDEST = Gauge(
    "firewalker_erasure_oldest_seconds", "How long ago the first was deleted who is not erased.", registry=REGISTRY
)
_log = structlog.get_logger(__name__)


class Erasure:
    """A part of a service that erases who has a tombstone. Any number of processes may have one."""

    def __init__(
        self,
        database: Database,
        tables: Sequence[PersonalTable],
        clock: Clock,
        *,
        first: Work | None = None,
    ) -> None:
        """*first* does what is more than deleting rows, before they go. It is repeated."""
        self._database = database
        self._tables = [table for table in tables if table.erased]
        self._clock = clock
        self._first = first
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._passed: dict[tuple[UserId, datetime], datetime] = {}
        """When this process erased those whose last pass is to come."""

    async def bury(self, tx: Transaction, users: Iterable[UserId], at: datetime) -> None:
        """Set the tombstones of *users* in the caller's transaction. Erasing begins after its commit."""
        for user in users:
            await tombstones.add(tx, user, at)
        tx.after_commit(self._work.set)

    async def take(self, users: Sequence[UserId]) -> None:
        """Set the tombstones of *users*, who were deleted elsewhere; durable when this returns."""
        if users:
            await self._take(users)

    @retried(idempotent=True)
    async def _take(self, users: Sequence[UserId]) -> None:
        async with self._database.transaction() as tx:
            await self.bury(tx, users, self._clock.now())

    async def start(self) -> None:
        """Begin, with what was left open."""
        self._task = begin(self._run(), "erasure")

    async def stop(self) -> None:
        """Stop; what is left is done by the next process."""
        await end([self._task])

    async def _run(self) -> None:
        while True:
            self._work.clear()
            with going_on("erasure"):
                await self.round()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._work.wait()

    async def round(self) -> None:
        """Erase who is to be erased now, everybody with an open tombstone: a new one may stand behind thousands."""
        before, self._passed = self._passed, {}
        behind = tombstones.FIRST
        while True:
            async with self._database.reading() as reading:
                found = await tombstones.list_open(reading, behind, BATCH)
            if behind is tombstones.FIRST:
                _OLDEST.set((self._clock.now() - found[0][1]).total_seconds() if found else 0)
            for tomb in found:
                await self._try(*tomb, passed=before.get(tomb))
            if len(found) < BATCH:
                return
            behind = found[-1]

    async def _try(self, user: UserId, deleted: datetime, *, passed: datetime | None) -> None:
        """Erase one, unless that was *passed* a moment ago; trouble over them keeps nobody else waiting, and the next round
        tries again.
        """
        now = self._clock.now()
        last = now - deleted >= LAST_PASS
        try:
            if last or passed is None or now - passed >= AGAIN:
                await self._erase(user, last=last)
                passed = now
            self._passed[user, deleted] = passed
        except Fault as fault:
            _log.warning("erasure put off", user_id=user, reason=fault.reason)
        except Exception:  # noqa: BLE001 - logged whole
            _log.exception("erasure failed", user_id=user)

    async def _erase(self, user: UserId, *, last: bool) -> None:
        if self._first is not None:
            await self._first(user)
        for table in self._tables:
            while (last or not table.last) and await self._erase_some(table, user):
                pass
        if last:
            await self._close(user)

    @retried(idempotent=True)
    async def _erase_some(self, table: PersonalTable, user: UserId) -> int:
        async with self._database.transaction() as tx:
            return await erase_some(tx, table, user)

    @retried(idempotent=True)
    async def _close(self, user: UserId) -> None:
        async with self._database.transaction() as tx:
            await tombstones.close(tx, user, self._clock.now())
