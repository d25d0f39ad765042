"""Brings Redis back to what MySQL says: all of it after a loss, what a dead process left undone, and a sample now and then."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta

import structlog
from prometheus_client import Counter

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.kernel.faults import Fault
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database
from firewalker.runtime.redis import RedisUnavailable, connect
from firewalker.step.live.buckets import Buckets, open_dates
from firewalker.step.live.shares import shares
from firewalker.step.store import days

CHECK_S = 1.0
"""How often it is looked whether Redis is complete."""

SAMPLE_S = 10.0
"""How often some users are compared, of one share after the other."""

SAMPLE_USERS = 100

CHUNK_USERS = 500

MOST_READS = 2
"""Questions to MySQL under way at once, for all shares of a process: calls have to get their turns too."""

UNTOLD = timedelta(minutes=5)
"""How far back commits are looked for that Redis may not have heard of, or not kept: a process that died before it told
of them, a server that failed over to a copy. As far back from when a process that is no more had told all, if that is longer ago."""

_REBUILDS = Counter("firewalker_step_live_rebuilds_total", "Rebuilds of Redis from MySQL.", registry=REGISTRY)
_DRIFT = Counter(
    "firewalker_step_live_drift_total", "Totals that Redis lacked or had lower than MySQL, found outside of a rebuild.",
    registry=REGISTRY,
)  # fmt: skip

_log = structlog.get_logger(__name__)


class Rebuilder:
    """Repairs one share in the background. Everything it does may be done twice, by several processes, and beside commits."""

    def __init__(self, database: Database, buckets: Buckets, clock: Clock, turns: asyncio.Semaphore) -> None:
        """*turns* are for `MOST_READS`, the same for all shares."""
        self._database = database
        self._buckets = buckets
        self._turns = turns
        self._share = buckets.share.number, buckets.share.of
        self._sample_s = SAMPLE_S * buckets.share.of
        self._clock = clock
        self._sampled: dict[date, bytes] = {}
        """The last user compared of each date."""
        self._doubts = self._settled = 0
        self._repairs = self._repaired = 0
        self._news = asyncio.Event()
        self._sampled_at = clock.monotonic() - SAMPLE_S * buckets.share.number
        self.distrust(repair=True)  # another process may have died before it told of its commits

    @property
    def trusted(self) -> bool:
        """Whether Redis may be believed if it says that it is complete. If not, read from MySQL."""
        return self._settled == self._doubts

    def distrust(self, *, repair: bool) -> None:
        """A connection failed, and the next may be to another server; with *repair* it may lack the latest commits too.

        It is looked into at once.
        """
        self._doubts += 1
        self._repairs += repair
        self._news.set()

    async def run(self) -> None:
        """Repair until cancelled."""
        while True:
            self._news.clear()
            try:
                await self._check()
            except (RedisUnavailable, Fault) as error:
                _log.warning("live_repair_postponed", error=type(error).__name__)
                await asyncio.sleep(CHECK_S)
            except Exception:  # noqa: BLE001 - logged whole; that a statement fails now is no reason to end
                _log.exception("live_repair_failed")
                await asyncio.sleep(CHECK_S)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CHECK_S):
                        await self._news.wait()

    async def _check(self) -> None:
        """Rebuild, repair and sample as is needed. What is doubted meanwhile is left to the next check."""
        doubts, repairs = self._doubts, self._repairs
        if not await self._buckets.complete() and not await self.rebuild():
            return  # another process is at it
        if self._repaired != repairs:
            await self._repair_recent()
            self._repaired = repairs
        self._settled = doubts
        if self._clock.monotonic() - self._sampled_at >= self._sample_s:
            self._sampled_at = self._clock.monotonic()
            if self._silent(await self._buckets.told()):
                await self._repair_recent()
            await self.sample()

    async def rebuild(self, copied: Callable[[int], None] = lambda _: None) -> bool:
        """Put every total of the open dates into Redis, then declare it complete; False if another process is at it.

        Readers go by MySQL meanwhile, writers go on. *copied* is called with how many totals were, again and again.

        Raises:
            RedisUnavailable: It went away in the middle; nothing is declared complete.
            Fault: MySQL did not tell.
        """
        token = os.urandom(16)
        if not await self._buckets.lock(token):
            return False
        try:
            run_id = await self._buckets.run_id()  # before the copying: of another server, less is known
            users = 0
            for day in open_dates(self._clock.now()):
                users += await self._copy(day, renew=True, copied=copied)
        except Exception:
            with contextlib.suppress(RedisUnavailable):
                await self._buckets.unlock(token)
            raise
        if not await self._buckets.finish(token, run_id, self._clock.now()):
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
            after = self._sampled.get(day, b"")
            async with self._turns, self._database.reading() as tx:
                users = await days.list_users(tx, day, after=after, limit=SAMPLE_USERS, share=self._share)
            if len(users) == SAMPLE_USERS:
                self._sampled[day] = users[-1]
            else:
                self._sampled.pop(day, None)
            drift += await self._apply(day, users)
        _DRIFT.inc(drift)
        return drift

    async def _repair_recent(self) -> None:
        now, told = self._clock.now(), await self._buckets.told()
        since = min([now, *told.values()]) - UNTOLD
        for day in open_dates(now):
            await self._copy(day, raised_since=since)
        # Made up for, whoever they were. (One that is cut off for longer than `UNTOLD` from now on, and is killed then without
        # having noted anything again, leaves the rest of its commits to the samples.)
        await self._buckets.forget_told(self._silent(told))

    def _silent(self, told: Mapping[bytes, datetime]) -> list[bytes]:
        """Who has noted nothing for longer than a process does that lives and is heard by Redis.

        These are made up for soon: with their old notes every later repair would look far back, and would take long.
        """
        now = self._clock.now()
        return [sender for sender, until in told.items() if now - until > UNTOLD]

    async def _copy(
        self,
        day: date,
        *,
        raised_since: datetime | None = None,
        renew: bool = False,
        copied: Callable[[int], None] = lambda _: None,
    ) -> int:
        after, done = b"", 0
        while True:
            async with self._turns, self._database.reading() as tx:
                users = await days.list_users(
                    tx, day, after=after, limit=CHUNK_USERS, raised_since=raised_since, share=self._share
                )
            if not users:
                return done
            after = users[-1]
            done += len(users)
            await self._apply(day, users)
            copied(len(users))
            if renew:
                await self._buckets.renew()

    async def _apply(self, day: date, users: list[bytes]) -> int:
        if not users:
            return 0
        async with self._turns, self._database.reading() as tx:
            totals = await days.find_totals(tx, [(user, day) for user in users])
        return await self._buckets.apply(day, [(user, total) for (user, _), total in totals.items()])


Progress = Callable[[int, int], None]
"""Is told how many totals are copied, and of how many."""


async def rebuild_now(mysql_url: str, redis_url: str, progress: Progress = lambda _done, _of: None) -> None:
    """Rebuild Redis from MySQL while the services run: what `firewalker rebuild` does.

    Returns when Redis is complete again, whether by this process or by another that was quicker.

    Raises:
        RedisUnavailable, DatabaseUnavailable: Not reached, or lost on the way; the services go on trying.
    """
    clock, turns = SystemClock(), asyncio.Semaphore(MOST_READS)
    done = 0
    async with Database(mysql_url, pool_size=2) as database:
        async with database.reading() as tx:
            wanted = sum([await days.count_users(tx, day) for day in open_dates(clock.now())])

        def copied(totals: int) -> None:
            nonlocal done
            done += totals
            progress(min(done, wanted), wanted)

        for share in shares(redis_url):
            redis, before = connect(redis_url, share.tag), done
            try:
                buckets = Buckets(redis, os.urandom(8), share)
                rebuilder = Rebuilder(database, buckets, clock, turns)
                await buckets.doubt()
                while not await buckets.complete():
                    done = before
                    if not await rebuilder.rebuild(copied):
                        await asyncio.sleep(CHECK_S / 10)
            finally:
                await redis.aclose()
