"""Live totals as the rest of the service sees them: announce, read, subscribe. Works without Redis, only slower."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, TypeVar

import structlog
from redis.asyncio import Redis

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database
from firewalker.runtime.redis import RedisBusy, RedisUnavailable, connect, connect_blocking
from firewalker.runtime.tasks import begin, end
from firewalker.step.domain.day import UserTotal
from firewalker.step.live.buckets import UNREADABLE, Buckets, is_kept
from firewalker.step.live.feed import PING_S, Feed
from firewalker.step.live.frames import Frame, frame_sender, unpack_frame
from firewalker.step.live.rebuild import Rebuilder
from firewalker.step.live.writer import Writer
from firewalker.step.store import days

READ_S = 0.2
"""Longest wait for Redis before a read goes by MySQL."""

AVOID_S = 1.0
"""After a failed read, how long reads go by MySQL without asking Redis."""

MOST_FALLBACKS: Final = 4
"""Reads that may be at MySQL at once; the others wait their turn, within their deadlines."""

MOST_WRITES: Final = 4
"""Connections for telling and repairing, each one thing after the other."""

FLUSH_S = 2.0
"""Longest wait, at the end, for Redis to take what is left; a starting process finds the rest in MySQL."""

HAND_OVER_S = 0.5
"""Longest wait for Redis before watchers are sent to another process; half of the second that streams have to end."""

U = TypeVar("U", UserId, bytes)

_log = structlog.get_logger(__name__)


class LiveTotals:
    """Totals of users on dates, current to the last commit of any process."""

    def __init__(self, redis_url: str, database: Database, clock: Clock) -> None:
        """Connects to nothing before `start`. *database* is asked where Redis cannot answer."""
        self._sender = os.urandom(8)
        self._database = database
        self._clock = clock
        # One for each purpose: however many boards are read, what was committed gets through to Redis.
        reads, writes = connect(redis_url), connect(redis_url, max_connections=MOST_WRITES)
        listens = connect_blocking(redis_url, longest_block_s=PING_S)
        self._clients: list[Redis] = [reads, writes, listens]
        self.buckets = Buckets(reads, self._sender)
        writable = Buckets(writes, self._sender)
        # With a sender of its own: what it finds in MySQL may be another process's, and nobody here has heard of it.
        self.rebuilder = Rebuilder(database, Buckets(writes, os.urandom(8)), clock)
        self._writer = Writer(writable, clock, failed=self._doubt)
        self._feed = Feed(listens, clock, self._receive, lost=self._doubt, gap=self._gap)
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[tuple[Callable[[Frame], None], bool, bool]] = []
        self._gap_listeners: list[Callable[[], None]] = []
        self._avoid_until = 0.0
        self._fallbacks = asyncio.Semaphore(MOST_FALLBACKS)

    async def start(self) -> None:
        """Begin to listen, to send and to repair."""
        for name, work in (("feed", self._feed.run), ("writer", self._writer.run), ("rebuild", self.rebuilder.run)):
            self._tasks.append(begin(work(), f"live-{name}"))

    async def stop(self) -> None:
        """Send what is left, for at most 2 s, then stop. After the last `announce`."""
        if self._tasks:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._writer.flush()
        await end(self._tasks)
        for client in self._clients:
            await client.aclose()

    @property
    def healthy(self) -> bool:
        """Whether frames of other processes arrive. If not, what is known only from frames may be out of date."""
        return self._feed.connected

    def subscribe(self, callback: Callable[[Frame], None], *, own: bool = True, others: bool = True) -> None:
        """Have *callback* called with every frame: this process's at once (unless *own* is false), those of other
        processes as they come (unless *others* is false).

        It is called in the event loop and must be quick. Frames may repeat, come out of order, and tell less than is
        known already: take `UserTotal.merged`.
        """
        self._listeners.append((callback, own, others))

    def on_gap(self, callback: Callable[[], None]) -> None:
        """Have *callback* called when the subscription begins, and again after each loss: frames may be missing."""
        self._gap_listeners.append(callback)

    def announce(self, frame: Frame) -> None:
        """Tell everybody of totals that MySQL has committed. Returns at once; Redis is told as soon as it listens."""
        self._deliver(frame, own=True)
        self._writer.put(frame)

    async def catch_up(self) -> None:
        """Hear of everything that other processes have told Redis by now. Waits some milliseconds, at most 0.2 s."""
        await self._feed.catch_up()

    async def hand_over(self) -> None:
        """Return once Redis has everything that was announced here, so that others know it, or after `HAND_OVER_S`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_OVER_S):
                await self._writer.flush()

    def give_up(self) -> None:
        """Commits went untold, too many to name: have Redis rebuilt from MySQL, and everything known from frames read anew."""
        self._writer.give_up()
        self._doubt()
        self._gap()

    async def read(self, day: date, users: Sequence[U]) -> dict[U, UserTotal]:
        """The totals of *users* on *day*; who has no reading is left out. Ids may be UUIDs or their 16 bytes.

        Read from Redis, or from MySQL where Redis is away, may be incomplete, or does not keep that date any more.

        Raises:
            DatabaseUnavailable, DeadlineExceeded: Neither answered.
        """
        if not users:
            return {}
        ids = [user if isinstance(user, bytes) else user.bytes for user in users]
        now = self._clock.monotonic()
        # A Redis that answers but takes nothing (full, or a replica by now) is behind MySQL; so is one that took over.
        trusted = self.rebuilder.trusted and not self._writer.behind
        if is_kept(day, self._clock.now()) and now >= self._avoid_until and trusted:
            try:
                found = await self.buckets.read(day, ids, READ_S)
            except RedisBusy:
                _log.warning("live_read_crowded")
            except RedisUnavailable as error:
                self.rebuilder.distrust(repair=False)
                self._avoid_until = now + AVOID_S
                _log.warning("live_read_failed", error=str(error))
            else:
                if found is not None:
                    return {user: total for user, total in zip(users, found, strict=True) if total is not None}
        async with self._fallbacks, self._database.reading() as tx:
            stored = await days.find_totals(tx, [(user, day) for user in ids])
        by_id = {user: total for (user, _), total in stored.items()}
        return {user: by_id[key] for user, key in zip(users, ids, strict=True) if key in by_id}

    def _receive(self, message: bytes) -> None:
        sender = frame_sender(message)
        if sender is None or sender == self._sender:
            return
        try:
            frame = unpack_frame(message)
        except Exception as error:  # noqa: BLE001 - one message, from whomever, must not make the process deaf
            UNREADABLE.labels("frame").inc()
            _log.warning("live_frame_unreadable", size=len(message), error=type(error).__name__)
            return
        self._deliver(frame, own=False)

    def _deliver(self, frame: Frame, *, own: bool) -> None:
        for callback, wants_own, wants_others in self._listeners:
            if not (wants_own if own else wants_others):
                continue
            try:
                callback(frame)
            except Exception:  # noqa: BLE001 - logged whole
                # A listener's bug must not undo a commit that has been made.
                _log.exception("live_listener_failed")

    def _doubt(self) -> None:
        self.rebuilder.distrust(repair=True)

    def _gap(self) -> None:
        # A short silence may have been a failover.
        self._doubt()
        for callback in self._gap_listeners:
            try:
                callback()
            except Exception:  # noqa: BLE001 - as above
                _log.exception("live_listener_failed")
