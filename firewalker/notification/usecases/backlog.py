"""How far behind the queues are, and what was given up: for metrics and for people."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from firewalker.kernel.clock import Clock, moment
from firewalker.notification.domain.notification import Lane
from firewalker.notification.store.deliveries import DeadCount, Deliveries
from firewalker.notification.store.pushes import Pushes
from firewalker.runtime.mysql import Database, retried

DEAD_KEPT = timedelta(days=14)
"""How long what was given up is kept for people to look at (PRIV-07)."""

REPLAYED_FOR = timedelta(hours=1)
"""How long what is replayed is good at least; people replay what they have looked at."""

Due = Mapping[Lane, tuple[int, datetime]]
"""How many are due, and since when the first of them, by lane."""


class Backlog:
    """What waits, and what waits no more."""

    def __init__(self, database: Database, clock: Clock, *, deliveries: Deliveries, pushes: Pushes) -> None:
        self._db = database
        self._clock = clock
        self._deliveries = deliveries
        self._pushes = pushes

    async def of_pushes(self) -> Due:
        """What is to be planned."""
        async with self._db.reading() as tx:
            return await self._pushes.backlog(tx, self._clock.now())

    async def of_deliveries(self) -> Due:
        """What is to be sent."""
        async with self._db.reading() as tx:
            return await self._deliveries.backlog(tx, self._clock.now())

    async def dead(self) -> Sequence[DeadCount]:
        """What was given up, by type and reason."""
        async with self._db.reading() as tx:
            return await self._deliveries.count_dead(tx)

    @retried
    async def replay(self) -> int:
        """Queue again what was given up, and tell how many."""
        now = moment(self._clock)
        async with self._db.transaction() as tx:
            return await self._deliveries.replay(tx, now, now + REPLAYED_FOR)

    @retried(idempotent=True)
    async def forget_dead(self) -> int:
        """Remove some of what was given up long ago, and tell how many: 0 when none is left."""
        async with self._db.transaction() as tx:
            return await self._deliveries.delete_dead(tx, self._clock.now() - DEAD_KEPT, 1_000)
