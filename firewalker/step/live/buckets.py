"""The totals in Redis: which keys, and the calls on them. What happens when Redis is away is decided by the callers.

A date's users are spread over 4 096 hashes, small enough that Redis keeps each in one compact piece (a listpack, up to
128 fields by default): about 36 bytes a user, against 64 in one big hash. The key `t:epoch` says that every total of
the open dates is there; whatever empties Redis takes it away too.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis

from firewalker.runtime.redis import calling
from firewalker.step.domain.day import UserTotal, begin_ms
from firewalker.step.live import frames

CHANNEL = b"totals"
"""Where frames are published."""

EPOCH = b"t:epoch"
"""There is such a key only while Redis has every total of the open dates."""

LOCK = b"t:rebuild"
"""Held by the process that rebuilds."""

LOCK_MS = 15_000
"""How long the lock outlives a process that died over a rebuild, in milliseconds; renewed with every chunk."""

KEPT = timedelta(days=4)
"""A date's keys expire this long after it begins in UTC: behind every board's freezing at date + 2."""

MOST_RECORDS = 1_000
"""Users of one call: some 3 ms of Redis's time."""

_BUCKETS = 0xFFF


class Buckets:
    """Calls on the totals of the open dates. Each raises RedisUnavailable when Redis does not do it."""

    def __init__(self, redis: Redis, sender: bytes) -> None:
        """*sender* is the 8-byte id of this process, told in its frames."""
        self._redis = redis
        self._sender = sender
        scripts = files("firewalker.step.live") / "scripts"
        # Any: the library types a script's call as a union of what any script may answer.
        self._apply: Any = redis.register_script((scripts / "apply.lua").read_bytes())
        self._read: Any = redis.register_script((scripts / "read.lua").read_bytes())
        self._finish: Any = redis.register_script((scripts / "finish.lua").read_bytes())

    async def apply(self, day: date, totals: Iterable[tuple[bytes, UserTotal]]) -> int:
        """Raise totals of *day*, at most `MOST_RECORDS`, and publish those that changed; tells how many did."""
        begin = begin_ms(day)
        by_bucket: dict[int, list[bytes]] = {}
        for user, total in totals:
            by_bucket.setdefault(_bucket(user), []).append(frames.pack_record(user, begin, total))
        records = [record for bucket in by_bucket.values() for record in bucket]
        counts = b"".join(len(bucket).to_bytes(2, "big") for bucket in by_bucket.values())
        frame = frames.pack_frame(self._sender, day, records)
        async with calling():
            return int(
                await self._apply(
                    keys=[_key(day, bucket) for bucket in by_bucket], args=(frame, counts, _expires(day), CHANNEL)
                )
            )

    async def publish(self, day: date, totals: Iterable[tuple[bytes, UserTotal]]) -> None:
        """Tell everybody of totals of a date that Redis does not keep any more."""
        begin = begin_ms(day)
        records = [frames.pack_record(user, begin, total) for user, total in totals]
        async with calling():
            await self._redis.publish(CHANNEL, frames.pack_frame(self._sender, day, records))

    async def read(self, day: date, users: Sequence[bytes], limit_s: float) -> list[UserTotal | None] | None:
        """The totals of *users*, in their order, None for no reading; None for all while Redis is incomplete.

        Waits at most *limit_s*.
        """
        begin = begin_ms(day)
        async with calling(limit_s):
            found = await self._read(keys=[EPOCH, *(_key(day, _bucket(user)) for user in users)], args=users)
        if found is None:
            return None
        return [frames.unpack_value(value, begin) if value else None for value in found]

    async def complete(self) -> bool:
        """Whether every total of the open dates is there."""
        async with calling():
            return bool(await self._redis.exists(EPOCH))

    async def doubt(self) -> None:
        """Declare Redis incomplete; somebody will rebuild it."""
        async with calling():
            await self._redis.delete(EPOCH)

    async def lock(self, token: bytes) -> bool:
        """Take the lock of the rebuild, for `LOCK_MS`; False if another process has it."""
        async with calling():
            return bool(await self._redis.set(LOCK, token, nx=True, px=LOCK_MS))

    async def renew(self) -> None:
        """Keep the lock for another `LOCK_MS`. Another's, if ours was lost: two rebuilds at once do no harm."""
        async with calling():
            await self._redis.pexpire(LOCK, LOCK_MS)

    async def finish(self, token: bytes, epoch: bytes) -> bool:
        """Declare Redis complete and give the lock back; False if it is not ours any more: rebuild again."""
        async with calling():
            return bool(await self._finish(keys=[LOCK, EPOCH], args=[token, epoch]))


def is_kept(day: date, now: datetime) -> bool:
    """Whether the totals of *day* are in Redis: from 2 days ago to tomorrow, as the UTC date goes.

    Narrower than `KEPT`, so that no key expires while it is read.
    """
    return abs((day - now.astimezone(UTC).date()).days + 0.5) < 3  # noqa: PLR2004 - -2, -1, 0, 1, 2


def open_dates(now: datetime) -> list[date]:
    """The dates whose totals are in Redis, the latest first."""
    today = now.astimezone(UTC).date()
    return [today + timedelta(days=days) for days in (1, 0, -1, -2)]


def _bucket(user: bytes) -> int:
    # The tail of a UUIDv7 is random; its first half is time.
    return int.from_bytes(user[-2:], "big") & _BUCKETS


def _key(day: date, bucket: int) -> str:
    # The braces keep a bucket in one slot of a cluster, and spread the buckets over its nodes.
    return f"t:{{{day}:{bucket:x}}}"


def _expires(day: date) -> int:
    return int((datetime(day.year, day.month, day.day, tzinfo=UTC) + KEPT).timestamp())
