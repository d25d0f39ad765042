"""People looking at suspect days: which wait, and what they say. It is an operator's work, by `firewalker review`."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.kernel.faults import Fault, Kind
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.redis import connect
from firewalker.step.domain.day import UserTotal, merge
from firewalker.step.domain.suspicion import Verdict, suspect
from firewalker.step.live.buckets import Buckets, is_kept
from firewalker.step.live.shares import share_of, shares
from firewalker.step.store import days, reviews, walkers


class NotSuspect(Fault):
    """There is nothing to review: the day is as others are, or has no reading."""

    kind: ClassVar[Kind] = Kind.PRECONDITION
    reason: ClassVar[str] = "NOT_SUSPECT"
    message: ClassVar[str] = "That day is not suspect; nothing was decided."


@dataclass(frozen=True, slots=True)
class Suspect:
    """A day that was suspect when it was noticed."""

    user: bytes
    nickname: str
    day: date
    noticed: datetime
    total: int
    """Its steps now, as standings count them."""
    held: bool
    """Whether it has no rank now. A correction may have put it right since."""
    verdict: Verdict


class Reviews:
    """Decides suspect days. Everybody's boards follow at once, if Redis can be reached; else when it is said again, or when Redis is
    back and was compared: 600 walkers a minute.
    """

    def __init__(self, database: Database, buckets: Sequence[Buckets], clock: Clock) -> None:
        """*buckets* are those of all shares, in their order."""
        self._database = database
        self._buckets = buckets
        self._clock = clock

    async def list(self, verdict: Verdict, limit: int) -> list[Suspect]:
        """Days with that verdict, the longest waiting first. Of those that wait, which were corrected are left out."""
        async with self._database.reading() as tx:
            noticed = await reviews.list_noticed(tx, verdict, limit)
            totals = await days.find_totals(tx, [(one.user, one.day) for one in noticed])
            names = await walkers.find_nicknames(tx, [one.user for one in noticed])
        found = []
        for one in noticed:
            total = totals.get((one.user, one.day))
            if total is not None and (total.held or verdict is not Verdict.PENDING):
                name = names.get(one.user, "")
                found.append(Suspect(one.user, name, one.day, one.noticed, total.total, total.held, verdict))
        return found

    async def decide(self, user: UserId, day: date, verdict: Verdict, reviewer: str) -> UserTotal:
        """Say *verdict* of the user's *day*; it stands until the walker corrects the day. The last word counts.

        Raises:
            NotSuspect: There is nothing to decide.
            DatabaseUnavailable, Contention: Not decided, or not known to be.
            RedisUnavailable: Decided, and not told: boards follow when Redis is back and was compared.
        """
        total = await self._store(user.bytes, day, verdict, reviewer)
        buckets = self._buckets[share_of(user.bytes, len(self._buckets))]
        if is_kept(day, self._clock.now()):
            await buckets.apply(day, [(user.bytes, total)])
        else:
            await buckets.publish(day, [(user.bytes, total)])
        return total

    @retried(idempotent=True)
    async def _store(self, user: bytes, day: date, verdict: Verdict, reviewer: str) -> UserTotal:
        key = (user, day)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            revision = await days.lock_date(tx, user, day)
            devices = (await days.find_devices(tx, [key], late_included=False)).get(key, {})
            if not suspect(merge(device.counts for device in devices.values())):
                raise NotSuspect
            before = (await reviews.find(tx, [key])).get(key)
            revision = max(revision, before.revision if before else 0) + 1
            await reviews.decide(tx, key, reviews.Review(verdict, revision), reviewer=reviewer, at=now)
            return (await days.find_totals(tx, [key]))[key]


@asynccontextmanager
async def reviewing(mysql_url: str, redis_url: str) -> AsyncIterator[Reviews]:
    """Reviews beside a running service, on connections of their own.

    Raises:
        DatabaseUnavailable: MySQL cannot be reached.
    """
    async with AsyncExitStack() as opened:
        database = await opened.enter_async_context(Database(mysql_url, pool_size=1, name="reviews"))
        buckets = []
        for share in shares(redis_url):
            redis = connect(redis_url, share.tag)  # connects if somebody of that share is decided on
            opened.push_async_callback(redis.aclose)
            buckets.append(Buckets(redis, os.urandom(8), share))
        yield Reviews(database, buckets, SystemClock())
