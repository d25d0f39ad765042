"""Callers that wait for a connection, in the order in which they came. What they wait for comes from the pool."""

import asyncio
from collections.abc import Callable

from firewalker.runtime.mysql.connection import Connection


class Waiters:
    """A queue in which nobody is lost: whoever leaves early while being served hands on what was given."""

    def __init__(self) -> None:
        self._futures: dict[asyncio.Future[Connection], None] = {}  # ordered, and anyone can leave at once

    def __len__(self) -> int:
        """How many wait."""
        return len(self._futures)

    async def wait(
        self, limit_s: float, *, arrived: Callable[[], None], hand_on: Callable[[Connection], None]
    ) -> Connection:
        """Queue up, call *arrived*, and wait for at most *limit_s*.

        *hand_on* gets a connection that was given in the very moment in which the wait was cancelled or timed out.

        Raises:
            TimeoutError: None was given.
            Exception: What `fail` said.
        """
        future: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._futures[future] = None
        try:
            arrived()
            async with asyncio.timeout(limit_s):
                return await future
        except BaseException:
            self._futures.pop(future, None)
            if future.done() and not future.cancelled() and future.exception() is None:
                hand_on(future.result())
            raise

    def give(self, connection: Connection) -> bool:
        """Give *connection* to the one who has waited longest; false if nobody waits."""
        while self._futures:
            future = next(iter(self._futures))
            del self._futures[future]
            if not future.done():  # else its caller has been cancelled and has not run since
                future.set_result(connection)
                return True
        return False

    def fail(self, count: int, error: Callable[[], Exception]) -> None:
        """Send the first *count* away, each with an *error* of its own."""
        for future in list(self._futures)[:count]:
            del self._futures[future]
            if not future.done():
                future.set_exception(error())
