"""The password lane: argon2id off the event loop, on few threads, behind a short queue.

A hash costs 19 MiB and some 25 ms of one core, so an unbounded number of sign-ins would take the machine from everybody
else. Which passwords are acceptable is `domain.password`'s question.
"""

import asyncio
import os
import secrets
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from prometheus_client import Counter, Histogram

from firewalker.kernel.faults import DeadlineExceeded, Overloaded
from firewalker.runtime import deadline
from firewalker.runtime.metrics import REGISTRY

_WAITED = Histogram(
    "firewalker_user_password_wait_seconds",
    "Wait for a turn in the password lane.",
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2),
    registry=REGISTRY,
)
_REFUSED = Counter(
    "firewalker_user_password_refused_total",
    "Callers whose password was not hashed, by cause.",
    ["cause"],
    registry=REGISTRY,
)
for _cause in ("queue_full", "cancelled", "waited_too_long"):
    _REFUSED.labels(_cause)

_NICENESS = 5
"""Of the threads that hash, at least: a third of the weight of others where they compete for a core."""

R = TypeVar("R")


def _cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What one hash costs. The defaults are the least that is taken (OWASP Password Storage, argon2id; AUTH-30)."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1

    def __post_init__(self) -> None:
        if self.memory_kib < 19_456 or self.passes < 2 or self.lanes < 1:  # noqa: PLR2004 - the floor itself
            raise ValueError("password hashes must cost at least m=19456 KiB, t=2, p=1")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be under way and waiting at once (AUTH-32)."""

    threads: int = field(default_factory=lambda: max(1, _cores() - 1))
    """Hashes at once. One core is left to everything else."""
    queue: int = 32
    """Most callers that wait; the next is refused at once."""
    wait_s: float = 2.0
    """Longest wait for a turn."""


def _stand_back() -> None:
    """Let everything else on the machine go first: a hash is late by milliseconds, what waits for the core meanwhile is not."""
    if sys.platform == "linux":  # elsewhere threads have no priority of their own
        thread = threading.get_native_id()
        # A process that is nicer already may not become less so.
        os.setpriority(os.PRIO_PROCESS, thread, max(os.getpriority(os.PRIO_PROCESS, thread), _NICENESS))


class PasswordLane:
    """Hashes and verifies passwords, first come first served.

    Who is cancelled or runs out of time while waiting leaves the queue and nothing is hashed for them. A hash that has
    begun runs to its end and keeps its thread until then, whether or not anybody still waits for it.
    """

    def __init__(self, cost: Cost | None = None, bounds: Bounds | None = None) -> None:
        cost = cost or Cost()
        self._bounds = bounds or Bounds()
        self._hasher = PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=32,
            salt_len=16,
            type=Type.ID,
        )
        self._pool = ThreadPoolExecutor(self._bounds.threads, thread_name_prefix="password", initializer=_stand_back)
        self._free = self._bounds.threads
        self._waiting: deque[asyncio.Future[None]] = deque()
        # Checked where there is no account, so that the answer takes the same time and the same lane.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    @property
    def waiting(self) -> int:
        """Callers that wait for their turn."""
        return len(self._waiting)

    async def hash(self, password: str) -> str:
        """A new PHC string for *password*, with a salt of its own.

        Raises:
            Overloaded: The queue is full, or the turn did not come within 2 s.
            DeadlineExceeded: The call's deadline passed before the turn came.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether *password* is the one of *password_hash*. None is nobody's hash: False, after the same time.

        Raises:
            Overloaded, DeadlineExceeded: As for `hash`.
        """
        right = await self._run(lambda: self._matches(password_hash or self._nobody, password))
        return right and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than the present ones."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Wait for the hashes that have begun. Nobody may call any more."""
        self._pool.shutdown(wait=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], R]) -> R:
        await self._turn()
        # The thread counts as taken until the work is done: cancelling the caller does not stop argon2.
        try:
            running = self._pool.submit(work)
        except BaseException:
            self._release()
            raise
        loop = asyncio.get_running_loop()
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(self._release))
        return await asyncio.wrap_future(running)

    async def _turn(self) -> None:
        """Wait until a thread is free and take it."""
        limit_s = deadline.within(self._bounds.wait_s)
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return
        if len(self._waiting) >= self._bounds.queue:
            _REFUSED.labels("queue_full").inc()
            raise Overloaded(retry_after=timedelta(seconds=self._bounds.wait_s))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            with _WAITED.time():
                async with asyncio.timeout(limit_s):
                    await turn
        except BaseException as why:
            if turn.done() and not turn.cancelled():
                self._release()  # the turn came at the same moment: pass it on
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if not isinstance(why, TimeoutError):
                _REFUSED.labels("cancelled").inc()
                raise
            _REFUSED.labels("waited_too_long").inc()
            if limit_s < self._bounds.wait_s:
                raise DeadlineExceeded from None
            raise Overloaded(retry_after=timedelta(seconds=self._bounds.wait_s)) from None

    def _release(self) -> None:
        """Hand the thread to who has waited longest, or keep it free."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
