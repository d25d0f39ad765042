"""A replica of a database: whether it has what is asked of it, and asking it. Where reads go in the end is `database`'s matter.

Nobody marks who wrote what. A read that has to see its caller's own writes asks the primary how far its history goes, and is
given to the replica once that has come as far: so it sees everything that anybody, through whichever process, was told to
be committed before. All who ask meanwhile share the next look, so it costs the primary one short statement for many reads.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from math import inf
from typing import Final, TypeVar

import structlog

from firewalker.kernel.faults import Fault
from firewalker.runtime import deadline
from firewalker.runtime.metrics import ReplicaMetrics
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.database import Database, Read
from firewalker.runtime.mysql.errors import NoAnswer, StatementFailed
from firewalker.runtime.mysql.positions import GTIDS, Positions
from firewalker.runtime.mysql.transaction import Transaction
from firewalker.runtime.tasks import begin, end

LOOK_EVERY_S: Final = 1.0
"""Between two looks at a replica that nobody asks."""

LOOK_S: Final = 0.5
"""Longest wait for either server in one look; without an answer by then the replica is left aside until the next."""

PATIENCE_S: Final = 0.05
"""How long reads wait for the replica to come as far as the primary. One that needs longer is behind, and nobody waits for
it again before a look finds it there."""

MOST_LAG_S: Final = 10.0
"""How old answers may be where use cases take old ones at all."""

READ_S: Final = 1.0
"""Longest wait for an answer to one read, and at most half of what its deadline leaves: the primary needs time for it too."""

_MOST_SAMPLES: Final = 64
"""Positions of the primary, one a second, that a replica has still to reach; the oldest count."""

R = TypeVar("R")

_log = structlog.get_logger(__name__)


class State(Enum):
    """What the last look has shown."""

    CURRENT = "current"
    BEHIND = "behind"
    """Of unknown age while the primary does not tell how far it is, or numbers nothing."""
    AWAY = "away"


class Replica:
    """The replica at *url* of the database at *primary_url*, looked at once a second and whenever somebody asks.

    Through at most *pool_size* connections, which can only read, and one more to each server for the looks. It need not be
    there: nothing fails because it is not.
    """

    def __init__(
        self,
        primary_url: str,
        url: str,
        *,
        pool_size: int = 10,
        positions: Positions = GTIDS,
        monotonic: Callable[[], float] = time.monotonic,
        look_every_s: float = LOOK_EVERY_S,
        look_s: float = LOOK_S,
        read_s: float = READ_S,
    ) -> None:
        """Nothing is connected before `open`.

        Raises:
            ValueError: A URL cannot be read.
        """
        name = Address.parse(primary_url).database
        self._primary = Database(primary_url, pool_size=1, name=f"{name}-position")
        self._sight = Database(url, pool_size=1, name=f"{name}-replica-position")
        self._reads = Database(url, pool_size=pool_size, name=f"{name}-replica", read_only=True)
        self._name = name
        self._positions = positions
        self._monotonic = monotonic
        self._look_every_s = look_every_s
        self.look_s = look_s
        """Longest wait for each server in a look."""
        self.read_s = read_s
        """Longest wait for a read."""
        self._state = State.AWAY
        self._reached_at = -inf
        self._behind: deque[tuple[float, str]] = deque()
        self._waiting: list[asyncio.Future[bool]] = []
        self._asked = asyncio.Event()
        self._under_way: set[asyncio.Timeout] = set()
        self._task: asyncio.Task[None] | None = None
        self.metrics = ReplicaMetrics(name)

    async def open(self) -> None:
        """Begin to look."""
        self._task = begin(self._watch(), f"look at the replica of {self._name}")

    async def close(self) -> None:
        """Stop looking, cut off what is under way there, for the primary to do, and end all connections."""
        await end([self._task])
        self._become(State.AWAY)
        self._tell(len(self._waiting))
        for database in (self._reads, self._sight, self._primary):
            await database.close()

    # --- whether it has what is asked ----------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the last look has shown."""
        return self._state

    @property
    def recent(self) -> bool:
        """Whether it is there and has everything that is older than `MOST_LAG_S`."""
        return self._state is not State.AWAY and self.lag_s <= MOST_LAG_S

    @property
    def lag_s(self) -> float:
        """The age in seconds of what it is known to have; infinite while nothing is."""
        return self._monotonic() - self._reached_at

    async def caught_up(self) -> bool:
        """Whether it has everything that was committed before this was called, as a look that begins now finds."""
        if self._state is not State.CURRENT:
            return False
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._asked.set()
        return await waiting

    # --- asking it -----------------------------------------------------------------------------------------------------

    async def ask(self, read: Read[R]) -> R:
        """What *read* finds there. It is called once, and cut off when it takes too long or a look finds the replica away.

        Raises:
            NoAnswer: Something went wrong, or *read* itself raised a fault or missed a row.
        """
        left = deadline.remaining()
        limit = asyncio.timeout(self.read_s if left is None else min(self.read_s, left / 2))
        self._under_way.add(limit)
        try:
            async with limit, self._reads.reading() as tx:
                found = await read(tx)
        except (Fault, StatementFailed, TimeoutError, LookupError) as problem:
            _log.info("mysql_replica_failed", database=self._name, error=type(problem).__name__)
            raise NoAnswer from None
        finally:
            self._under_way.discard(limit)
        self.metrics.read()
        return found

    # --- looking -------------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            came_before = len(self._waiting)  # whoever comes during the look needs a later one
            self._asked.clear()
            await self._look()
            self._tell(came_before if self._state is State.CURRENT else len(self._waiting))
            if self._waiting:
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_every_s):
                    await self._asked.wait()

    def _tell(self, count: int) -> None:
        """Answer the first *count* of those who wait."""
        answered, self._waiting = self._waiting[:count], self._waiting[count:]
        for waiting in answered:
            if not waiting.done():
                waiting.set_result(self._state is State.CURRENT)

    async def _look(self) -> None:
        began = self._monotonic()
        newest = await self._newest()
        try:
            async with asyncio.timeout(self.look_s), self._sight.reading() as tx:
                if newest and await self._positions.reached(tx, newest, PATIENCE_S):
                    self._reached_at = began
                    self._behind.clear()
                    self._become(State.CURRENT)
                else:
                    await self._measure(tx, began, newest)
                    self._become(State.BEHIND)
        except (Fault, StatementFailed, TimeoutError):
            self._become(State.AWAY)
            # Where its name leads now, what is looked at and what is read have to be one server.
            for database in (self._sight, self._reads):
                database.pool.distrust()
        self.metrics.behind(self.lag_s)

    async def _newest(self) -> str:
        """How far the primary is; empty if it does not tell."""
        newest = ""
        with suppress(Fault, StatementFailed, TimeoutError):
            async with asyncio.timeout(self.look_s), self._primary.reading() as tx:
                newest = await self._positions.newest(tx)
        if not newest:
            # It may have been demoted, which nothing else shows here: nothing is written over this connection.
            self._primary.pool.distrust()
        return newest

    async def _measure(self, tx: Transaction, now: float, newest: str) -> None:
        """Find out how old that is which the replica has: the newest of the remembered positions that it has reached."""
        if newest and len(self._behind) < _MOST_SAMPLES:
            self._behind.append((now, newest))
        while self._behind and await self._positions.reached(tx, self._behind[0][1], 0):
            self._reached_at, _ = self._behind.popleft()

    def _become(self, state: State) -> None:
        if state is self._state:
            return
        say = _log.info if state is State.CURRENT else _log.warning
        say("mysql_replica", database=self._name, was=self._state.value, now=state.value)
        self._state = state
        if state is State.AWAY:
            now = asyncio.get_running_loop().time()
            for limit in self._under_way:
                if (when := limit.when()) is None or when > now:
                    limit.reschedule(now)
