"""What this process has to tell Redis: collected, coalesced per user, sent as fast as Redis takes it. Never waited for."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Final

import structlog

from firewalker.kernel.clock import Clock
from firewalker.runtime.redis import RedisUnavailable
from firewalker.step.domain.day import UserTotal
from firewalker.step.live.buckets import MOST_RECORDS, UNREADABLE, Buckets, is_kept
from firewalker.step.live.frames import Frame

MOST_PENDING: Final = 100_000
"""Totals kept for a Redis that is away (about 25 MB). With more to tell, Redis is rebuilt instead when it is back."""

_LONGEST_PAUSE_S = 1.0

_log = structlog.get_logger(__name__)


class Writer:
    """Applies this process's commits to Redis."""

    def __init__(
        self, buckets: Buckets, clock: Clock, *, failed: Callable[[], None], most_pending: int = MOST_PENDING
    ) -> None:
        """*failed* is called whenever Redis does not take what it is sent: what it has taken may be lost too."""
        self._buckets = buckets
        self._failed = failed
        self._clock = clock
        self._most_pending = most_pending
        self._pending: dict[date, dict[bytes, UserTotal]] = {}
        self._under_way: dict[date, dict[bytes, UserTotal]] = {}
        """What Redis was sent and has not said that it took."""
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._untold_since = clock.now()
        self._lost = False
        self.behind = False
        """Redis did not take what was last sent: what is read there may be out of date."""

    def put(self, frame: Frame) -> None:
        """Tell Redis of *frame* soon. Of several totals of one user only the merged one is sent."""
        self._begin()
        pending = self._pending.setdefault(frame.date, {})
        for user, total in frame.totals:
            known = pending.get(user)
            pending[user] = total if known is None else known.merged(total)
        if len(pending) > self._most_pending:
            self.give_up()
        self._news.set()

    def untold(self, day: date, users: Iterable[bytes]) -> dict[bytes, UserTotal]:
        """The totals of *users* on *day* that were put and that Redis may not have yet.

        Whoever reads there asks here first: what is taken in between is in both, and what is put later is for listeners.
        """
        found: dict[bytes, UserTotal] = {}
        for waiting in (self._under_way.get(day), self._pending.get(day)):
            if waiting:
                for user in users:
                    total = waiting.get(user)
                    if total is not None:
                        found[user] = total if user not in found else total.merged(found[user])
        return found

    def give_up(self) -> None:
        """Tell Redis that it is incomplete, instead of what it lacks."""
        self._begin()
        self._pending.clear()
        self._lost = True
        self._news.set()

    @property
    def idle(self) -> bool:
        """Whether all that was put has been told."""
        return self._idle.is_set()

    @property
    def told_until(self) -> datetime:
        """All that was put before this has been told."""
        return self._clock.now() if self.idle else self._untold_since

    async def flush(self) -> None:
        """Wait until all that was put is in Redis. For ever, while Redis is away: give it a time limit."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send until cancelled."""
        pause_s = 0.0
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._send()
            except Exception as error:  # noqa: BLE001 - whatever it was, commits go on and have to be told
                if not isinstance(error, RedisUnavailable):
                    _log.exception("live_writer_failed")
                elif not self.behind:
                    _log.warning("live_totals_not_sent", error=str(error))
                self.behind = True
                self._failed()
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2 or 0.05)
                self._news.set()
                await asyncio.sleep(pause_s)
            else:
                self.behind = False
                pause_s = 0.0

    def _begin(self) -> None:
        if self.idle:
            self._idle.clear()
            self._untold_since = self._clock.now()

    async def _send(self) -> None:
        if self._lost:
            self._lost = False  # before it is told: more may be given up meanwhile
            try:
                await self._buckets.doubt()
            except BaseException:
                self._lost = True
                raise
        while self._pending:
            day, totals = self._pending.popitem()
            self._under_way = {day: totals}
            rest = list(totals.items())
            try:
                while rest:
                    if is_kept(day, self._clock.now()):
                        await self._buckets.apply(day, rest[:MOST_RECORDS])
                    else:
                        await self._buckets.publish(day, rest[:MOST_RECORDS])
                    del rest[:MOST_RECORDS]
            except (RedisUnavailable, asyncio.CancelledError):
                # It may have been done all the same; doing it twice is the same as once.
                self.put(Frame(day, rest))
                raise
            except Exception:  # noqa: BLE001 - logged whole
                # Something in it cannot be told, now or later: it must not keep all others from being told.
                UNREADABLE.labels("unsendable").inc()
                _log.exception("live_totals_unsendable", date=str(day), users=len(rest))
                self._lost = True
                self._news.set()
            finally:
                self._under_way = {}
        if not self._news.is_set():
            self._idle.set()
