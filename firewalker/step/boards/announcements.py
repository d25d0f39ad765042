"""Telling all processes whose boards look different: a Redis stream of user ids. The facts themselves are in MySQL."""

import asyncio
import random
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import count, islice
from typing import Any

import structlog
from prometheus_client import Counter

from firewalker.kernel.faults import DeadlineExceeded
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.redis import RedisUnavailable, calling, connect, connect_blocking
from firewalker.runtime.tasks import begin, end

TAG = "fs"
"""Both keys are on one server of a cluster: only so the epoch tells of the stream."""

STREAM = f"{{{TAG}}}:stream"
"""Entries of one field `u`: 16-byte user ids, one behind the other."""

EPOCH = f"{{{TAG}}}:epoch"
"""A random value that goes when Redis is emptied: entries may have gone with it unread."""

KEPT_ENTRIES = 10_000
"""About how many entries the stream keeps. Readers are there when one comes, or read everything anew."""

MOST_USERS = 250
"""User ids of one entry: 4 KB."""

MOST_UNTOLD = 100_000
"""User ids kept for a Redis that is away. With more to tell, others are told that anything may have changed."""

BLOCK_S = 0.5
"""How long a read waits for an entry; so soon it is noticed that Redis was emptied."""

_LONGEST_PAUSE_S = 0.5

_ID_BYTES = 16

_UNREADABLE = Counter(
    "firewalker_step_unreadable_announcements_total",
    "Entries of the stream of changed boards that were skipped because they make no sense.",
    registry=REGISTRY,
)
_log = structlog.get_logger(__name__)


class Announcements:
    """Announces changes, and hears those of all processes.

    *changed* is called with the ids (16 bytes) of users whose boards look different, *unsure* when any may. Both are
    called in the event loop and must be quick.
    """

    def __init__(
        self, redis_url: str, changed: Callable[[Collection[bytes]], None], unsure: Callable[[], None]
    ) -> None:
        self._redis = connect(redis_url, TAG)
        self._reader = connect_blocking(redis_url, TAG, longest_block_s=BLOCK_S)
        self._changed = changed
        self._unsure = unsure
        self._untold: dict[bytes, int] = {}
        """Whom to tell of, each with the number of the latest change: what was sent before that does not tell of it."""
        self._changes = count()
        self._overflow = False
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.heard = False
        """Whether every announcement made now arrives here."""

    def start(self) -> None:
        """Begin to listen."""
        self._tasks = [
            begin(self._listen(), "announcements-listen"),
            begin(self._tell_late(), "announcements-tell"),
        ]

    async def stop(self) -> None:
        """Stop listening. After the last `announce`."""
        await end(self._tasks)
        await self._redis.aclose()
        await self._reader.aclose()

    async def announce(self, users: Collection[bytes], *, at_once: bool = True) -> None:
        """Tell every process that the boards of *users* look different; this one knows when the call begins.

        With *at_once* Redis has it when this returns, if it can be reached. Else, and for what it does not take now, it
        is told in the background, however long that lasts. Does not fail.
        """
        self._changed(users)
        change = next(self._changes)
        self._untold.update(dict.fromkeys(users, change))
        if len(self._untold) > MOST_UNTOLD:
            self._untold.clear()
            self._overflow = True
        try:
            if at_once and not self._overflow:
                # Only these: behind a long backlog the caller would wait for it.
                await self._send(dict.fromkeys(users, change))
        except (RedisUnavailable, DeadlineExceeded):
            pass
        finally:
            if self._untold or self._overflow:
                self._news.set()

    async def _tell(self) -> None:
        if self._overflow:
            async with calling():
                await self._redis.delete(EPOCH)  # whoever reads finds it gone, and reads everything anew
            self._overflow = False
        while self._untold:
            await self._send(dict(islice(self._untold.items(), MOST_USERS)))

    async def _send(self, users: Mapping[bytes, int]) -> None:
        """Put *users* into the stream, and cross out those of whom nothing newer is to be told."""
        left = iter(users.items())
        while some := dict(islice(left, MOST_USERS)):
            async with calling():
                await self._redis.xadd(STREAM, {"u": b"".join(some)}, maxlen=KEPT_ENTRIES, approximate=True)
            for user, change in some.items():
                if self._untold.get(user) == change:
                    del self._untold[user]

    async def _tell_late(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._tell()
            except RedisUnavailable:
                self._news.set()
                await asyncio.sleep(_LONGEST_PAUSE_S)
            except Exception:  # noqa: BLE001 - logged whole; tried again
                _log.exception("announcements_not_told")
                self._news.set()
                await asyncio.sleep(_LONGEST_PAUSE_S)

    async def _listen(self) -> None:
        while True:
            try:
                await self._follow()
            except RedisUnavailable as error:
                if self.heard:
                    _log.warning("announcements_lost", error=str(error))
                self.heard = False
            except Exception:  # noqa: BLE001 - logged whole; begun anew, with everything read again
                _log.exception("announcements_lost")
                self.heard = False
            await asyncio.sleep(random.uniform(0.05, _LONGEST_PAUSE_S))  # noqa: S311 - spreads, protects nothing

    async def _follow(self) -> None:
        """Hear announcements until Redis fails."""
        epoch = last = None
        while True:
            present = await self._epoch()
            if present != epoch or last is None:
                last, epoch = await self._last_id(), present
                self.heard = True
                # From here on nothing is missed; of what was until now, something may have been.
                self._unsure()
            async with calling():
                found: Any = await self._reader.xread({STREAM: last}, count=100, block=int(BLOCK_S * 1000))
            for entry_id, fields in found[0][1] if found else ():
                last = entry_id
                self._hear(fields)

    def _hear(self, fields: Mapping[bytes, bytes]) -> None:
        """Take an entry in, or skip it: one that makes no sense must not hide those behind it."""
        try:
            self._changed(list(_ids(fields[b"u"])))
        except Exception as error:  # noqa: BLE001 - whatever stands in Redis; it is counted
            _UNREADABLE.inc()
            _log.warning("announcement_skipped", error=type(error).__name__)

    async def _epoch(self) -> bytes:
        async with calling():
            found: Any = await self._redis.get(EPOCH)
            if found is None:
                await self._redis.set(EPOCH, secrets.token_bytes(8), nx=True)
                found = await self._redis.get(EPOCH)
            return bytes(found or b"")

    async def _last_id(self) -> bytes:
        async with calling():
            latest: Any = await self._redis.xrevrange(STREAM, count=1)
        return latest[0][0] if latest else b"0-0"


def _ids(users: bytes) -> Iterable[bytes]:
    if len(users) % _ID_BYTES:
        raise ValueError("a torn user id")
    return (users[start : start + _ID_BYTES] for start in range(0, len(users), _ID_BYTES))
