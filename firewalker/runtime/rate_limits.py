"""How often somebody may do something: GCRA, counted in Redis for all processes together, or here while Redis is away.

What is limited, and for whom, its users say (`runtime/grpc/rates.py` for calls); here are keys and rates only. One script
does it in one step by the server's clock, so that neither races nor clocks of processes matter.

In any span of t seconds at most burst + t x per_s turns are taken (NET-34). Where a rate is generous, a process takes a few at
a time and hands them out for up to a second: a busy user then costs one question in ten. So a tenth of the burst more, for each
process at most, may be let through in a moment; where every turn counts, as for passwords, they are taken one by one. Turns
that are not used are lost, never given twice. While Redis is away each process counts for itself; on a cluster, only those whose part is away.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from time import monotonic
from typing import Any
from zlib import crc32

import structlog
from prometheus_client import Counter

from firewalker.kernel.faults import Fault, Kind
from firewalker.runtime import cluster
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.redis import RedisUnavailable, calling, connect

ASK_S = 0.05
"""Longest wait for Redis's word. It answers in well under a millisecond; a call must not wait for one that does not."""

AWAY_S = 1.0
"""After a failure Redis is not asked for so long: every call would wait `ASK_S` again."""

TURNS_KEPT_S = 1.0
"""How long turns taken in advance may be handed out."""

MOST_TURNS = 10
"""Most turns taken in advance."""

MOST_KEYS = 100_000
"""Keys that are remembered here, some 200 bytes each; the longest unused is forgotten first."""

_PREFIX = "rate:"
_SCRIPT = (files("firewalker.runtime") / "scripts" / "gcra.lua").read_text(encoding="utf-8")
_RETURN = (files("firewalker.runtime") / "scripts" / "gcra_return.lua").read_text(encoding="utf-8")

_log = structlog.get_logger("firewalker.rate_limits")

_COUNTED_HERE = Counter(
    "firewalker_rate_limits_counted_here_total", "Decisions made without Redis, which was away.", registry=REGISTRY
)


class RateExceeded(Fault):
    """Somebody does something too often."""

    kind = Kind.EXHAUSTED
    reason = "RATE_EXCEEDED"
    message = "Too many calls; try again later."


@dataclass(frozen=True, slots=True)
class Rate:
    """A class of actions and how often one person, or one address, may take them."""

    name: str
    """The class: methods with the same name are counted together. Part of the key in Redis."""
    per_s: float
    """How often, sustained."""
    burst: int
    """How many at once after a pause."""

    alone: float = 1.0
    """Which part of the rate one process grants while it counts for itself, without Redis. Where a guess must stay dear, half."""

    def __post_init__(self) -> None:
        if not self.name or self.per_s <= 0 or self.burst < 1:
            raise ValueError(f"a rate has a name, is positive and lets at least one through: {self}")

    @property
    def interval_us(self) -> int:
        """Microseconds between two turns, rounded up: rather a little too rarely than too often."""
        return -int(-1_000_000 // self.per_s)

    @property
    def counted_alone(self) -> "Rate":
        """The rate as one process grants it by itself."""
        return Rate(self.name, self.per_s * self.alone, max(1, int(self.burst * self.alone)))

    @property
    def turns(self) -> int:
        """How many turns to take in advance: no more than half of what comes back while they are kept, a tenth of all."""
        return max(1, min(MOST_TURNS, int(self.per_s * TURNS_KEPT_S / 2), self.burst // 10))


class LocalBuckets:
    """The same counting in this process alone. Pure but for the clock."""

    def __init__(self, now: Callable[[], float] = monotonic, most_keys: int = MOST_KEYS) -> None:
        self._now = now
        self._most_keys = most_keys
        self._due_us: OrderedDict[str, int] = OrderedDict()

    def take(self, key: str, rate: Rate, wanted: int = 1) -> tuple[int, float]:
        """How many of *wanted* turns there are (0 for none), and if none, in how many seconds there is one."""
        now_us = int(self._now() * 1_000_000)
        room_us = rate.burst * rate.interval_us
        # A clock that jumped back must not lock anybody out for longer than an empty bucket does.
        due_us = min(max(self._due_us.get(key, now_us), now_us), now_us + room_us)
        granted = min(wanted, (now_us + room_us - due_us) // rate.interval_us)
        if granted < 1:
            return 0, (due_us + rate.interval_us - now_us - room_us) / 1_000_000
        self._due_us[key] = due_us + granted * rate.interval_us
        self._due_us.move_to_end(key)
        if len(self._due_us) > self._most_keys:
            self._due_us.popitem(last=False)
        return granted, 0.0

    def give_back(self, key: str, rate: Rate) -> None:
        """Give one turn back."""
        due_us = self._due_us.get(key)
        if due_us is not None:
            self._due_us[key] = due_us - rate.interval_us

    def forget(self, key: str) -> None:
        """Give every turn back."""
        self._due_us.pop(key, None)


class RateLimits:
    """Decides whether somebody may, for all processes on one Redis."""

    def __init__(self, redis_url: str, *, now: Callable[[], float] = monotonic) -> None:
        self._places = [_Place(redis_url, tag, now) for tag in cluster.tags(redis_url)]
        self._now = now
        self._local = LocalBuckets(now)
        self._advance: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def spend(self, who: str, rate: Rate) -> None:
        """Take one turn of *rate* for *who*.

        Raises:
            RateExceeded: There is none; `retry_after` tells when there will be.
        """
        key = _key(who, rate)
        now = self._now()
        left, until = self._advance.get(key, (0, 0.0))
        if left > 0 and now < until:
            self._advance[key] = (left - 1, until)
            return
        granted, wait_s = await self._take(key, rate)
        if not granted:
            self._advance.pop(key, None)
            raise RateExceeded(retry_after=timedelta(seconds=max(0.001, wait_s)))
        if granted > 1:
            # The time of asking counts: the turns are as old as the question.
            left, until = self._advance.get(key, (0, 0.0))
            # Others may have asked meanwhile; what they got has its own time, and the earlier counts.
            kept = left if now < until else 0
            self._advance[key] = (kept + granted - 1, min(until, now + TURNS_KEPT_S) if kept else now + TURNS_KEPT_S)
            self._advance.move_to_end(key)
            if len(self._advance) > MOST_KEYS:
                self._advance.popitem(last=False)

    async def give_back(self, who: str, rate: Rate) -> None:
        """Give back the turn that *who* has taken, for a rate whose turns are taken one by one: it was no misuse."""
        key = _key(who, rate)
        self._local.give_back(key, rate.counted_alone)
        await self._place(key).give_back(key, rate)

    async def forget(self, who: str, rate: Rate) -> None:
        """Let *who* begin anew."""
        key = _key(who, rate)
        self._local.forget(key)
        await self._place(key).forget(key)

    async def close(self) -> None:
        """Close the connections."""
        for place in self._places:
            await place.close()

    async def _take(self, key: str, rate: Rate) -> tuple[int, float]:
        taken = await self._place(key).take(key, rate)
        if taken is not None:
            return taken
        _COUNTED_HERE.inc()
        return self._local.take(key, rate.counted_alone)

    def _place(self, key: str) -> "_Place":
        # The same in all processes, which Python's own hash is not.
        return self._places[crc32(key.encode()) % len(self._places)] if len(self._places) > 1 else self._places[0]


class _Place:
    """The buckets of one hash tag, which are on one server. It is asked unless it has been away just now."""

    def __init__(self, redis_url: str, tag: str, now: Callable[[], float]) -> None:
        self._redis = connect(redis_url, tag)
        self._script = self._redis.register_script(_SCRIPT)
        self._return = self._redis.register_script(_RETURN)
        self._prefix = f"{_PREFIX}{{{tag}}}:"
        self._now = now
        self._not_before = 0.0

    async def take(self, key: str, rate: Rate) -> tuple[int, float] | None:
        """How many turns there are, and if none, in how many seconds there is one; None without Redis's word."""
        if self._now() < self._not_before:
            return None
        try:
            async with calling(ASK_S):
                granted, wait_us = await self._script(
                    keys=[self._prefix + key], args=[rate.interval_us, rate.burst, rate.turns]
                )
        except RedisUnavailable as error:
            self._note_away(error)
            return None
        return int(granted), int(wait_us) / 1_000_000

    async def give_back(self, key: str, rate: Rate) -> None:
        """Give one turn back."""
        await self._tell(lambda: self._return(keys=[self._prefix + key], args=[rate.interval_us]))

    async def forget(self, key: str) -> None:
        """Give every turn back."""
        await self._tell(lambda: self._redis.delete(self._prefix + key))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _tell(self, command: Callable[[], Awaitable[Any]]) -> None:
        """Have Redis do what nobody waits for. If it does not, somebody has a turn less for a while."""
        if self._now() < self._not_before:
            return
        try:
            async with calling(ASK_S):
                await command()
        except RedisUnavailable as error:
            self._note_away(error)

    def _note_away(self, error: RedisUnavailable) -> None:
        if self._not_before == 0.0 or self._now() - self._not_before > AWAY_S:
            _log.warning("counting here, Redis is away", error=str(error))
        self._not_before = self._now() + AWAY_S


def _key(who: str, rate: Rate) -> str:
    return f"{who}:{rate.name}"
