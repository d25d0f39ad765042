"""A pool that never loses a waiter (hazards M12, M13). Knows when connections are shared, not what is asked on them.

Rules that keep it right:

- Nobody who wants a connection opens one: connections are opened by tasks of the pool, outside any lock, so that a hung
  connect holds up nobody who could use another connection, and a caller who gives up does not spoil one that is coming.
- There are never more open, opening and lent connections than the pool's size.
- A connection that comes free goes to the caller who has waited longest; with nobody waiting it goes on top of the idle
  ones, where the next caller takes it, so that the rest can grow old.
- Each way out of `lend` ends in `_take_back` or `_drop`, and each of them serves the next waiter.
- A server that is full is not asked again at once: who waits is served by what comes back, or by a later attempt.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from time import monotonic

import structlog
from pymysql.err import MySQLError

from firewalker.kernel.faults import DatabaseUnavailable, DeadlineExceeded, Overloaded
from firewalker.runtime import deadline
from firewalker.runtime.metrics import PoolMetrics
from firewalker.runtime.mysql.connection import Connection
from firewalker.runtime.mysql.errors import FULL, code_of
from firewalker.runtime.mysql.waiters import Waiters

ACQUIRE_S = 2.0
"""Longest wait for a connection. As long as opening one may take: past that, waiting only lengthens the queue."""

MAX_WAITERS = 1_000
"""Most callers that wait at a time; one more is refused at once. At 1 ms a transaction they are served in a second."""

FULL_PAUSE_S = 1.0
"""How long no connection is opened after the server had no room for one, less up to half at random so that processes do not
come in step."""

_RETRY_AFTER = timedelta(seconds=1)

_log = structlog.get_logger(__name__)


class Pool:
    """Connections of one database, at most *size* of them."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        size: int,
        name: str,
        abandoned: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        """*abandoned* is told of connections that were dropped while the server still works on their statement."""
        self._connect = connect
        self._size = size
        self._abandoned = abandoned
        self._idle: list[Connection] = []
        self._waiters = Waiters()
        self._opening: set[asyncio.Task[None]] = set()
        self._lent = 0
        self._generation = 0
        self._failures = 0
        self._full: asyncio.TimerHandle | None = None
        """While the server has no room: what ends the pause."""
        self._closed = False
        self._all_back = asyncio.Event()
        self._all_back.set()
        self.metrics = PoolMetrics(name, self)
        self._name = name

    # --- what it holds -------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> int:
        """Open connections that nobody uses."""
        return len(self._idle)

    @property
    def lent(self) -> int:
        """Connections in use."""
        return self._lent

    @property
    def opening(self) -> int:
        """Connections on their way."""
        return len(self._opening)

    @property
    def waiting(self) -> int:
        """Callers without a connection."""
        return len(self._waiters)

    # --- lending -------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def lend(self, *, autocommit: bool) -> AsyncIterator[Connection]:
        """A connection for the block, preferably one that is in the wanted mode already.

        It is kept for others if it is usable afterwards, with no transaction open.

        Raises:
            Overloaded: Too many wait, or all connections stayed in use for too long.
            DatabaseUnavailable: No connection could be opened.
            DeadlineExceeded: The call's deadline passed while waiting.
        """
        connection = self._pop_idle(autocommit=autocommit) or await self._wait()
        try:
            yield connection
        finally:
            self._take_back(connection)

    def _pop_idle(self, *, autocommit: bool) -> Connection | None:
        if self._closed:
            raise DatabaseUnavailable
        idle = self._idle
        self._sweep()
        if not idle:
            return None
        # Down from the top: the most recently used one in the wanted mode saves the round trip that switches it.
        at = next((i for i in range(len(idle) - 1, -1, -1) if idle[i].autocommit is autocommit), -1)
        connection = idle.pop(at)
        self._lend_out()
        return connection

    def _sweep(self) -> None:
        now = monotonic()
        if all(self._fresh(connection, now) for connection in self._idle):
            return
        kept = []
        for connection in self._idle:
            if self._fresh(connection, now):
                kept.append(connection)
            else:
                self._drop(connection, "lost" if not connection.usable else "expired")
        self._idle[:] = kept

    def _fresh(self, connection: Connection, now: float) -> bool:
        return connection.usable and now < connection.expires and connection.generation == self._generation

    async def _wait(self) -> Connection:
        if len(self._waiters) >= MAX_WAITERS:
            self.metrics.refused("queue_full")
            raise Overloaded(retry_after=_RETRY_AFTER)
        limit_s = deadline.within(ACQUIRE_S)
        began, failures = monotonic(), self._failures
        try:
            connection = await self._waiters.wait(limit_s, arrived=self._open_as_needed, hand_on=self._take_back)
        except TimeoutError:
            self.metrics.refused("timed_out")
            if limit_s < ACQUIRE_S:
                raise DeadlineExceeded from None
            # Overload is when others have the connections; otherwise there were none to be had.
            unreachable = self._failures > failures or not self._lent
            raise (DatabaseUnavailable if unreachable else Overloaded)(retry_after=_RETRY_AFTER) from None
        self.metrics.waited(monotonic() - began)
        return connection

    def _lend_out(self) -> None:
        self._lent += 1
        self._all_back.clear()

    def _take_back(self, connection: Connection) -> None:
        self._lent -= 1
        if not self._lent:
            self._all_back.set()
        if (
            connection.usable
            and not connection.in_transaction
            and self._fresh(connection, monotonic())
            and not self._closed
        ):
            self._offer(connection)
        else:
            self._drop(connection, "expired" if connection.usable and not connection.in_transaction else "broken")
            self._open_as_needed()

    def _offer(self, connection: Connection) -> None:
        if self._waiters.give(connection):
            self._lend_out()
        else:
            self._idle.append(connection)

    def _drop(self, connection: Connection, cause: str) -> None:
        self.metrics.dropped(cause)
        busy = connection.busy
        connection.abort()
        if busy:
            self._abandoned(connection)

    def distrust(self) -> None:
        """Replace every connection that is open now: the server behind them was demoted or has gone silent."""
        self._generation += 1
        self._sweep()

    # --- opening -------------------------------------------------------------------------------------------------------

    def _open_as_needed(self) -> None:
        if self._closed or self._full is not None:
            return
        room = self._size - self._lent - len(self._idle) - len(self._opening)
        for _ in range(min(room, len(self._waiters) - len(self._opening))):
            task = asyncio.create_task(self._open_one(), name=f"connect to {self._name}")
            self._opening.add(task)
            # Asks again when done: a task that was cancelled before it ran has served nobody.
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        self._open_as_needed()

    async def _open_one(self) -> None:
        generation = self._generation
        try:
            connection = await self._connect()
        except (MySQLError, OSError) as error:  # TimeoutError is an OSError
            self.metrics.connect_failed()
            # The driver's text names the host, no secret.
            _log.warning("mysql_connect_failed", database=self._name, code=code_of(error), error=type(error).__name__)
            if code_of(error) in FULL:
                self._pause()
            else:
                self._failures += 1
            self._fail_waiters()
            return
        connection.generation = generation
        if self._closed:
            connection.abort()
            return
        self._offer(connection)

    def _fail_waiters(self) -> None:
        # While others are at work the database is there for some, and what they give back serves those who wait: one
        # caller pays for the attempt, so that attempts end with those who wait. Where a pause ends them nobody has to, nor
        # while one is under way that may yet find room. Otherwise nobody waits in vain.
        if self._full is not None and (self._lent or sum(not task.done() for task in self._opening) > 1):
            return
        self._waiters.fail(1 if self._lent else len(self._waiters), DatabaseUnavailable)

    def _pause(self) -> None:
        if self._full is None and not self._closed:
            pause_s = FULL_PAUSE_S * random.uniform(0.5, 1.0)  # noqa: S311 - spreads, protects nothing
            self._full = asyncio.get_running_loop().call_later(pause_s, self._go_on)

    def _go_on(self) -> None:
        self._full = None
        self._open_as_needed()

    # --- the end -------------------------------------------------------------------------------------------------------

    async def warm(self) -> None:
        """Have one connection open, to learn early that the database is reachable.

        Raises:
            DatabaseUnavailable: It is not.
        """
        async with self.lend(autocommit=True):
            pass

    async def close(self, within_s: float = 5.0) -> None:
        """Refuse new callers, wait up to *within_s* for lent connections, then end all of them."""
        self._closed = True
        if self._full is not None:
            self._full.cancel()
        self._waiters.fail(len(self._waiters), DatabaseUnavailable)
        opening = list(self._opening)
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._all_back.wait()
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.close() for connection in idle))
        self.metrics.close()
