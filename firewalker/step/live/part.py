"""The totals of one share of all walkers: told to Redis, read there, heard of and repaired, whatever becomes of other shares."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

import structlog
from redis.asyncio import Redis

from firewalker.kernel.clock import Clock
from firewalker.runtime.mysql import Database
from firewalker.runtime.redis import RedisBusy, RedisUnavailable, connect, connect_blocking
from firewalker.runtime.subscription import PING_S
from firewalker.runtime.tasks import begin, end
from firewalker.step.domain.day import UserTotal
from firewalker.step.live.buckets import Buckets
from firewalker.step.live.feed import Feed
from firewalker.step.live.rebuild import UNTOLD, Rebuilder
from firewalker.step.live.shares import Share
from firewalker.step.live.writer import MOST_PENDING, Writer

READ_S = 0.2
"""Longest wait for Redis before a read goes by MySQL."""

AVOID_S = 1.0
"""After a failed read, how long reads go by MySQL without asking Redis."""

FLUSH_S = 2.0
"""Longest wait, at the end, for Redis to take what is left; a starting process finds the rest in MySQL."""

MOST_WRITES: Final = 4
"""Connections for telling and repairing, each one thing after the other."""

NOTE_S = 10.0
"""How often it is noted in Redis that all is told; less than `rebuild.UNTOLD` by far."""

_log = structlog.get_logger(__name__)


class Part:
    """One share in one process. On one server there is one, with everybody in it."""

    def __init__(
        self,
        redis_url: str,
        share: Share,
        *,
        database: Database,
        clock: Clock,
        sender: bytes,
        turns: asyncio.Semaphore,
        receive: Callable[[bytes], None],
        gap: Callable[[], None],
    ) -> None:
        """Connects to nothing before `start`. *receive* gets every message of other processes, *gap* is called when some
        may have been missed. *turns* as in `Rebuilder`.
        """
        self._clock = clock
        self._gap = gap
        # One for each purpose: however many boards are read, what was committed gets through to Redis.
        reads, writes = connect(redis_url, share.tag), connect(redis_url, share.tag, max_connections=MOST_WRITES)
        listens = connect_blocking(redis_url, share.tag, longest_block_s=PING_S)
        self._clients: list[Redis] = [reads, writes, listens]
        self.buckets = Buckets(reads, sender, share)
        # With a sender of its own: what it finds in MySQL may be another process's, and nobody here has heard of it.
        self.rebuilder = Rebuilder(database, Buckets(writes, os.urandom(8), share), clock, turns)
        most_pending = MOST_PENDING // share.of
        self.writer = Writer(Buckets(writes, sender, share), clock, failed=self.doubt, most_pending=most_pending)
        self.feed = Feed(listens, share.channel, clock, receive, lost=self.doubt, gap=self._on_gap)
        self._tasks: list[asyncio.Task[None]] = []
        self._avoid_until = 0.0

    def start(self) -> None:
        """Begin to listen, to send and to repair."""
        works = {"feed": self.feed.run, "writer": self.writer.run, "rebuild": self.rebuilder.run, "notes": self._note}
        for name, work in works.items():
            self._tasks.append(begin(work(), f"live-{name}"))

    async def stop(self) -> None:
        """Send what is left, for at most 2 s, then stop: what is left then, others find in MySQL."""
        if self._tasks:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self.writer.flush()
        await end(self._tasks)
        if self._tasks:
            with contextlib.suppress(RedisUnavailable):
                # As old a note as others look into at once.
                await self.buckets.note_told(None if self.writer.idle else self.writer.told_until - UNTOLD)
        for client in self._clients:
            await client.aclose()

    async def _note(self) -> None:
        """For whoever comes after this process, should it be killed while Redis takes nothing."""
        while True:
            with contextlib.suppress(RedisUnavailable):
                await self.buckets.note_told(self.writer.told_until)
            await asyncio.sleep(NOTE_S)

    def doubt(self) -> None:
        """Redis may lack the latest commits: go by MySQL until that was looked into."""
        self.rebuilder.distrust(repair=True)

    async def read(self, day: date, users: Sequence[bytes]) -> list[UserTotal | None] | None:
        """The totals of *users*, all of this share, on a date that Redis keeps; None for who has no reading.

        None for all where Redis is away or may be incomplete: then ask MySQL.
        """
        now = self._clock.monotonic()
        # A Redis that answers but takes nothing (full, or a replica by now) is behind MySQL; so is one that took over.
        if now < self._avoid_until or not self.rebuilder.trusted or self.writer.behind:
            return None
        # Else whoever reads right behind their acknowledgement would not find their steps, and what is read is kept for a while.
        untold = self.writer.untold(day, users)
        try:
            found = await self.buckets.read(day, users, READ_S)
        except RedisBusy:
            _log.warning("live_read_crowded")
        except RedisUnavailable as error:
            self.rebuilder.distrust(repair=False)
            self._avoid_until = now + AVOID_S
            _log.warning("live_read_failed", error=str(error))
        else:
            return _merged(users, found, untold) if found and untold else found
        return None

    def _on_gap(self) -> None:
        # A short silence may have been a failover.
        self.doubt()
        self._gap()


def _merged(
    users: Sequence[bytes], found: Sequence[UserTotal | None], untold: Mapping[bytes, UserTotal]
) -> list[UserTotal | None]:
    """What is known of *users*: what was *found*, and what is *untold*."""
    both = ((total, untold.get(user)) for user, total in zip(users, found, strict=True))
    return [more if total is None else total if more is None else total.merged(more) for total, more in both]
