"""The totals in Redis: which keys, and the calls on them. What happens when Redis is away is decided by the callers.

A date's users are spread over 4 096 hashes, small enough that Redis keeps each in one compact piece (a listpack, up to
128 fields by default): about 36 bytes a user, against 64 in one big hash. The epoch says that every total of the open dates
is there; whatever empties Redis takes it away too. It names the server that was filled: another one, or the same started
anew, has an older state, though the key be in it.
"""

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis

from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.redis import calling
from firewalker.step.domain.day import UserTotal, begin_ms, to_ms
from firewalker.step.live import frames
from firewalker.step.live.shares import Share, bucket_of

LOCK_MS = 15_000
"""How long the lock outlives a process that died over a rebuild, in milliseconds; renewed with every chunk."""

KEPT = timedelta(days=4)
"""A date's keys expire this long after it begins in UTC: behind every board's freezing at date + 2."""

_OPEN_DAYS = range(-2, 2)
"""The dates whose totals are kept, as days from the UTC date: what a rebuild fills, and what is read."""

MOST_RECORDS = 1_000
"""Users of one call: some 3 ms of Redis's time."""

UNREADABLE = Counter(
    "firewalker_step_live_unreadable_total",
    "Frames and totals in Redis that could not be made out and were passed over.",
    ["what"],
    registry=REGISTRY,
)

_log = structlog.get_logger(__name__)


class Buckets:
    """Calls on one share's totals of the open dates. Each raises RedisUnavailable when Redis does not do it."""

    def __init__(self, redis: Redis, sender: bytes, share: Share) -> None:
        """*redis* is a client for the tag of *share*, *sender* the 8-byte id of this process, told in its frames."""
        self._redis = redis
        self._sender = sender
        self.share = share
        scripts = files("firewalker.step.live") / "scripts"
        # Any: the library types a script's call as a union of what any script may answer.
        self._apply: Any = redis.register_script((scripts / "apply.lua").read_bytes())
        self._read: Any = redis.register_script((scripts / "read.lua").read_bytes())
        self._finish: Any = redis.register_script((scripts / "finish.lua").read_bytes())
        self._unlock: Any = redis.register_script((scripts / "unlock.lua").read_bytes())

    async def apply(self, day: date, totals: Iterable[tuple[bytes, UserTotal]]) -> int:
        """Raise totals of *day*, at most `MOST_RECORDS`, and publish those that changed; tells how many did."""
        begin = begin_ms(day)
        by_bucket: dict[int, list[bytes]] = {}
        for user, total in totals:
            by_bucket.setdefault(bucket_of(user), []).append(frames.pack_record(user, begin, total))
        records = [record for bucket in by_bucket.values() for record in bucket]
        counts = b"".join(len(bucket).to_bytes(2, "big") for bucket in by_bucket.values())
        frame = frames.pack_frame(self._sender, day, records)
        async with calling():
            changed, damaged = await self._apply(
                keys=[self.share.key(day, bucket) for bucket in by_bucket],
                args=(frame, counts, _expires(day), self.share.channel),
            )
        if damaged:
            UNREADABLE.labels("bucket").inc(damaged)
            _log.error("live_buckets_replaced", date=str(day), buckets=damaged)
            await self.doubt()  # what else was to be in them is gone
        return int(changed)

    async def publish(self, day: date, totals: Iterable[tuple[bytes, UserTotal]]) -> None:
        """Tell everybody of totals of a date that Redis does not keep any more."""
        begin = begin_ms(day)
        records = [frames.pack_record(user, begin, total) for user, total in totals]
        async with calling():
            await self._redis.spublish(self.share.channel, frames.pack_frame(self._sender, day, records))

    async def read(self, day: date, users: Sequence[bytes], limit_s: float) -> list[UserTotal | None] | None:
        """The totals of *users*, in their order, None for no reading; None for all while Redis is incomplete.

        Waits at most *limit_s*. Something there that is no total counts as incomplete, for this call.
        """
        begin = begin_ms(day)
        async with calling(limit_s):
            keys = [self.share.epoch, *(self.share.key(day, bucket_of(user)) for user in users)]
            found = await self._read(keys=keys, args=users)
        if found is None:
            return None
        try:
            return [frames.unpack_value(value, begin) if value is not None else None for value in found]
        except struct.error:
            UNREADABLE.labels("total").inc()
            _log.error("live_total_unreadable", date=str(day))
            return None

    async def complete(self) -> bool:
        """Whether every total of the open dates is there, and was put there while this server ran.

        Another server with the key is one that took over with an older state: it is declared incomplete.
        """
        # Together, so that one server answers both.
        async with calling(), self._redis.pipeline(transaction=True) as pipe:
            pipe.get(self.share.epoch)
            pipe.info("server")
            epoch, server = await pipe.execute()
        if epoch is None:
            return False
        if epoch.split(b" ")[0] == _run_id(server):
            return True
        _log.warning("live_redis_is_another")
        await self.doubt()
        return False

    async def run_id(self) -> bytes:
        """Which server answers, and since which start of it."""
        async with calling():
            return _run_id(await self._redis.info("server"))

    async def doubt(self) -> None:
        """Declare Redis incomplete; somebody will rebuild it."""
        async with calling():
            await self._redis.delete(self.share.epoch)

    async def note_told(self, until: datetime | None) -> None:
        """Note until when this process has told all of its commits; None: it has, and makes no more."""
        async with calling():
            if until is None:
                await self._redis.hdel(self.share.told, self._sender)
            else:
                await self._redis.hset(self.share.told, self._sender, to_ms(until))

    async def told(self) -> dict[bytes, datetime]:
        """What each process has noted last, by its id; those that are no more are among them."""
        async with calling():
            noted: Any = await self._redis.hgetall(self.share.told)  # typed as if answers were decoded, or not
        return {sender: datetime.fromtimestamp(int(ms) / 1_000, UTC) for sender, ms in noted.items()}

    async def forget_told(self, senders: Collection[bytes]) -> None:
        """What these have not told was found in MySQL. Who goes on notes it again."""
        if senders:
            async with calling():
                await self._redis.hdel(self.share.told, *senders)

    async def lock(self, token: bytes) -> bool:
        """Take the lock of the rebuild, for `LOCK_MS`; False if another process has it."""
        async with calling():
            return bool(await self._redis.set(self.share.lock, token, nx=True, px=LOCK_MS))

    async def unlock(self, token: bytes) -> None:
        """Give the lock back, if it is still ours: whoever could not rebuild must not keep others from trying."""
        async with calling():
            await self._unlock(keys=[self.share.lock], args=[token])

    async def renew(self) -> None:
        """Keep the lock for another `LOCK_MS`. Another's, if ours was lost: two rebuilds at once do no harm."""
        async with calling():
            await self._redis.pexpire(self.share.lock, LOCK_MS)

    async def finish(self, token: bytes, run_id: bytes, at: datetime) -> bool:
        """Declare the server of *run_id* complete and give the lock back; False if that is not ours any more: rebuild again."""
        epoch = b"%b %b" % (run_id, at.isoformat().encode())
        async with calling():
            return bool(await self._finish(keys=[self.share.lock, self.share.epoch], args=[token, epoch]))


def is_kept(day: date, now: datetime) -> bool:
    """Whether the totals of *day* are in Redis: whether it is one of `open_dates`.

    Narrower than `KEPT`, so that no key expires while it is read.
    """
    return (day - now.astimezone(UTC).date()).days in _OPEN_DAYS


def open_dates(now: datetime) -> list[date]:
    """The dates whose totals are in Redis, from 2 days ago to tomorrow as the UTC date goes, the latest first."""
    today = now.astimezone(UTC).date()
    return [today + timedelta(days=days) for days in reversed(_OPEN_DAYS)]


def _run_id(server: Mapping[str, Any]) -> bytes:
    return str(server["run_id"]).encode()


def _expires(day: date) -> int:
    return int((datetime(day.year, day.month, day.day, tzinfo=UTC) + KEPT).timestamp())
