"""Stopping statements whose callers are gone: closing our end does not make a server stop working or give up its locks."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from pymysql.err import MySQLError

from firewalker.runtime.mysql.connection import Connection

_WAITING_MAX = 256
"""Most statements that wait to be stopped; beyond it they run into the server's own limits (5 s, locks 3 s)."""

_IDLE_S = 10.0
_KILL_S = 1.0


class Stopper:
    """Has the server KILL abandoned connections, over one connection of its own that is opened when needed.

    Best effort: the server's statement limit is what bounds abandoned work, this only makes it shorter.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], name: str) -> None:
        self._connect = connect
        self._name = name
        self._ids: asyncio.Queue[int] = asyncio.Queue(_WAITING_MAX)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def stop(self, abandoned: Connection) -> None:
        """Have the statement of *abandoned*, which is closed on our side, stopped soon. Returns at once."""
        if self._closed:
            return
        with contextlib.suppress(asyncio.QueueFull):
            self._ids.put_nowait(abandoned.server_id)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"stop abandoned statements of {self._name}")

    async def close(self) -> None:
        """Stop nothing more."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            connection = await self._connect()
        except (MySQLError, OSError):
            while not self._ids.empty():  # these have ended, or will, when the server sees our end closed
                self._ids.get_nowait()
            return
        try:
            while True:
                async with asyncio.timeout(_IDLE_S):
                    server_id = await self._ids.get()
                try:
                    await connection.ask(f"KILL {server_id:d}", _KILL_S)
                except MySQLError:
                    if not connection.usable:
                        return
                    # 1094: it has ended by itself meanwhile.
        except TimeoutError:
            pass  # nothing to do for a while, or no answer
        finally:
            await connection.close()
