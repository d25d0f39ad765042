"""Live totals at the density of so many walkers: bytes in Redis, and what telling, reading and hearing of them costs."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from time import process_time
from typing import Any, cast

from redis.asyncio import Redis

from firewalker.kernel.clock import SystemClock
from firewalker.local.servers import PrivateServers
from firewalker.runtime.mysql import Database
from firewalker.runtime.redis import connect
from firewalker.step.boards.registry import Boards
from firewalker.step.domain.day import UserTotal, begin_ms, to_ms
from firewalker.step.ingest.totals import Totals
from firewalker.step.live import Frame, LiveTotals
from firewalker.step.live.buckets import KEPT, MOST_RECORDS
from firewalker.step.live.frames import pack_frame, pack_record
from firewalker.step.live.known import KnownTotals
from tests.bench.ten_million.stored import chunks, migrated, processor_us

TAILS = 1 << 16
"""Ends of ids: all walkers with the same one are in the same key."""

SAMPLED = 20_000
"""Totals that are put into as few keys as they fill as full as those would be; the other keys would be like them."""

TOLD_AT_ONCE = 100
TOLD_TIMES = 200
READS = 500
HEARD_FRAMES = 400
READY_S = 30


@dataclass(frozen=True)
class Live:
    """What was found at one density."""

    users: int
    a_bucket: float
    """Walkers in one key."""
    keys: int
    """Of all dates that are kept."""
    bytes_a_total: float
    apply_us: float
    """Processor of Redis for a total that rises, in calls of `TOLD_AT_ONCE`."""
    read_us: float
    """Processor of Redis for a board."""
    compact: int
    """So many walkers fit into all keys of a date while Redis keeps them compact."""

    @property
    def dates(self) -> int:
        """Dates whose keys are there at the same time."""
        return KEPT.days

    @property
    def gigabytes(self) -> float:
        """Of all dates together."""
        return self.users * self.dates * self.bytes_a_total / 1e9


async def measure(servers: PrivateServers, users: int, board: int, random: Random, listpack: int = 0) -> Live:
    """Fill some keys as *users* walkers would; *board* is how many are on a board that is read.

    *listpack* sets how many fields Redis keeps in one compact piece, 0 leaves its default.
    """
    clock, redis = SystemClock(), connect(servers.redis_url())
    async with migrated(servers, "step") as (_, database), contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(redis.aclose)
        default = str((await redis.config_get("hash-max-listpack-entries"))["hash-max-listpack-entries"])
        stack.push_async_callback(redis.config_set, "hash-max-listpack-entries", default)
        await redis.flushall()
        live = LiveTotals(servers.redis_url(), database, clock)
        await live.start()
        stack.push_async_callback(live.stop)
        await _ready(redis)
        day, now = clock.now().date(), to_ms(clock.now())
        none = int(await redis.dbsize())
        await _tell(live, day, [random.randbytes(14) + tail.to_bytes(2, "big") for tail in range(TAILS)], now)
        keys = int(await redis.dbsize()) - none
        await _forget(redis)
        if listpack:
            await redis.config_set("hash-max-listpack-entries", listpack)
        sampled = min(max(1, round(SAMPLED * keys / users)), keys)
        number = round(users / keys * sampled)
        people = [random.randbytes(14) + random.randrange(sampled).to_bytes(2, "big") for _ in range(number)]
        empty = int((await redis.info("memory"))["used_memory"])
        await _tell(live, day, people, now)
        assert int(await redis.dbsize()) == none + sampled
        full = int((await redis.info("memory"))["used_memory"])
        before = processor_us(servers.redis.pid)
        for turn in range(TOLD_TIMES):
            await _tell(live, day, random.sample(people, TOLD_AT_ONCE), now, 2_000 + turn)
        told = processor_us(servers.redis.pid) - before
        before = processor_us(servers.redis.pid)
        for _ in range(READS):
            await live.read(day, random.sample(people, board))
        read = processor_us(servers.redis.pid) - before
        return Live(
            users, number / sampled, keys * KEPT.days, (full - empty) / number, told / (TOLD_TIMES * TOLD_AT_ONCE),
            read / READS, (listpack or int(default)) * keys,
        )  # fmt: skip


async def _ready(redis: Redis) -> None:
    """Wait until Redis is declared complete: then it is believed."""
    async with asyncio.timeout(READY_S):
        while not [key async for key in redis.scan_iter(match="t:epoch*")]:  # noqa: ASYNC110 - it is another process that writes it
            await asyncio.sleep(0.05)


async def _forget(redis: Redis) -> None:
    """Remove all totals, and leave what vouches for them."""
    async for key in redis.scan_iter(count=1_000):
        if await redis.type(key) == b"hash":
            await redis.delete(key)


async def _tell(live: LiveTotals, day: date, people: Sequence[bytes], now: int, steps: int = 1_000) -> None:
    for some in chunks(people, MOST_RECORDS):
        live.announce(Frame(day, [(user, UserTotal(steps, now, now)) for user in some]))
        await live.hand_over()


async def hearing_us(servers: PrivateServers, random: Random) -> float:
    """Processor of a step process for one total that another process tells: what listens there is the service's own."""
    clock = SystemClock()
    database = Database(servers.mysql_url("mysql"))
    live = LiveTotals(servers.redis_url(), database, clock)
    known = KnownTotals(live, clock)
    nothing = cast("Any", None)
    boards = Boards(nothing, known, live, clock, of_groups=nothing)
    Totals(database, live, clock, max_known=1_000, moved=lambda _: None)
    now, day = to_ms(clock.now()), clock.now().date()
    begin = begin_ms(day)
    frames = [
        pack_frame(
            b"somebody", day,
            [pack_record(random.randbytes(16), begin, UserTotal(1_000, now, now)) for _ in range(TOLD_AT_ONCE)],
        )
        for _ in range(HEARD_FRAMES)
    ]  # fmt: skip
    best = float("inf")
    for _ in range(3):
        began = process_time()
        for frame in frames:
            live._receive(frame)
        best = min(best, process_time() - began)
    assert not len(boards.subjects)
    return best / (HEARD_FRAMES * TOLD_AT_ONCE) * 1e6
