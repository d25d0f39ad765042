"""Brings Redis back to what MySQL says: all of it after a loss, what a dead process left undone, and a sample now and then."""

import asyncio
import os
from datetime import date, datetime, timedelta

import structlog
from prometheus_client import Counter

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.kernel.faults import Fault
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database
from firewalker.runtime.redis import RedisUnavailable, connect
from firewalker.step.live.buckets import Buckets, open_dates
from firewalker.step.store import days

CHECK_S = 1.0
"""How often it is looked whether Redis is complete."""

SAMPLE_S = 10.0
"""How often some users are compared."""

SAMPLE_USERS = 100

CHUNK_USERS = 500

UNTOLD = timedelta(minutes=5)
"""How far back a starting process looks for commits that another made, but died before telling Redis."""

_REBUILDS = Counter("firewalker_step_live_rebuilds_total", "Rebuilds of Redis from MySQL.", registry=REGISTRY)
_DRIFT = Counter(
    "firewalker_step_live_drift_total", "Totals that Redis lacked or had lower than MySQL, found outside of a rebuild.",
    registry=REGISTRY,
)  # fmt: skip

_log = structlog.get_logger(__name__)


class Rebuilder:
    """Repairs Redis in the background. Everything it does may be done twice, by several processes, and beside commits."""

    def __init__(self, database: Database, buckets: Buckets, clock: Clock) -> None:
        self._database = database
        self._buckets = buckets
        self._clock = clock
        self._sampled: dict[date, bytes] = {}
        """The last user compared of each date."""

    async def run(self) -> None:
        """Repair until cancelled."""
        repaired = False
        sampled = self._clock.monotonic()
        while True:
            try:
                if not repaired:
                    await self._repair_recent()
                    repaired = True
                await self.rebuild_if_incomplete()
                if self._clock.monotonic() - sampled >= SAMPLE_S:
                    sampled = self._clock.monotonic()
                    await self.sample()
            except (RedisUnavailable, Fault) as error:
                _log.warning("live_repair_postponed", error=type(error).__name__)
            await asyncio.sleep(CHECK_S)

    async def rebuild_if_incomplete(self) -> bool:
        """Rebuild unless Redis is complete or another process is at it; tells whether this call completed it.

        Raises:
            RedisUnavailable: It went away in the middle; nothing is declared complete.
            Fault: MySQL did not tell.
        """
        if await self._buckets.complete():
            return False
        return await self.rebuild()

    async def rebuild(self) -> bool:
        """Put every total of the open dates into Redis, then declare it complete; False if another process is at it.

        Readers go by MySQL meanwhile, writers go on. The same errors as `rebuild_if_incomplete`.
        """
        token = os.urandom(16)
        if not await self._buckets.lock(token):
            return False
        users = 0
        for day in open_dates(self._clock.now()):
            users += await self._copy(day, renew=True)
        epoch = self._clock.now().isoformat().encode()
        if not await self._buckets.finish(token, epoch):
            return False  # emptied again in the middle, or too slow: the next check begins anew
        _REBUILDS.inc()
        _log.info("live_totals_rebuilt", users=users)
        return True

    async def sample(self) -> int:
        """Compare the next stretch of users with MySQL, repair, and tell how many totals Redis lacked or had lower.

        Stretch after stretch all users of the open dates are seen, then it begins anew.
        """
        drift = 0
        for day in open_dates(self._clock.now()):
            async with self._database.reading() as tx:
                users = await days.list_users(tx, day, after=self._sampled.get(day, b""), limit=SAMPLE_USERS)
            if len(users) == SAMPLE_USERS:
                self._sampled[day] = users[-1]
            else:
                self._sampled.pop(day, None)
            drift += await self._apply(day, users)
        _DRIFT.inc(drift)
        return drift

    async def _repair_recent(self) -> None:
        since = self._clock.now() - UNTOLD
        for day in open_dates(self._clock.now()):
            await self._copy(day, raised_since=since)

    async def _copy(self, day: date, *, raised_since: datetime | None = None, renew: bool = False) -> int:
        after, copied = b"", 0
        while True:
            async with self._database.reading() as tx:
                users = await days.list_users(tx, day, after=after, limit=CHUNK_USERS, raised_since=raised_since)
            if not users:
                return copied
            after = users[-1]
            copied += len(users)
            await self._apply(day, users)
            if renew:
                await self._buckets.renew()

    async def _apply(self, day: date, users: list[bytes]) -> int:
        if not users:
            return 0
        async with self._database.reading() as tx:
            totals = await days.find_totals(tx, [(user, day) for user in users])
        return await self._buckets.apply(day, [(user, total) for (user, _), total in totals.items()])


async def rebuild_now(mysql_url: str, redis_url: str) -> None:
    """Rebuild Redis from MySQL while the services run: what `firewalker rebuild` does.

    Returns when Redis is complete again, whether by this process or by another that was quicker.

    Raises:
        RedisUnavailable, DatabaseUnavailable: Not reached, or lost on the way; the services go on trying.
    """
    redis = connect(redis_url)
    try:
        async with Database(mysql_url, pool_size=2) as database:
            buckets = Buckets(redis, os.urandom(8))
            await buckets.doubt()
            rebuilder = Rebuilder(database, buckets, SystemClock())
            while not await buckets.complete():
                if not await rebuilder.rebuild():
                    await asyncio.sleep(CHECK_S / 10)
    finally:
        await redis.aclose()
