"""Stopping statements whose callers are gone: closing our end does not make a server stop working or give up its locks."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from time import monotonic

from pymysql.err import MySQLError

from firewalker.runtime.mysql.connection import Connection

_WAITING_MAX = 256
"""Most statements that wait to be stopped; beyond it they run into the server's own limits (5 s, locks 3 s)."""

_IDLE_S = 10.0
_KILL_S = 1.0

_UPTIME = "SHOW GLOBAL STATUS LIKE 'Uptime'"


class Stopper:
    """Has the server KILL abandoned connections, over one connection of its own that is opened when needed.

    Best effort: the server's statement limit is what bounds abandoned work, this only makes it shorter. A number means
    another connection, one that is in use perhaps, to another server and to the same one once it was restarted: it is
    named only to the address where the abandoned connection was, and to a server that has run since before that was opened.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], name: str) -> None:
        self._connect = connect
        self._name = name
        self._abandoned: asyncio.Queue[Connection] = asyncio.Queue(_WAITING_MAX)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def stop(self, abandoned: Connection) -> None:
        """Have the statement of *abandoned*, which is closed on our side, stopped soon. Returns at once."""
        if self._closed:
            return
        with contextlib.suppress(asyncio.QueueFull):
            self._abandoned.put_nowait(abandoned)
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
            try:
                await self._stop_all(connection)
            finally:
                await connection.close()
        except (MySQLError, OSError):
            pass  # not reached, or lost; or it gave no answer, or had nothing to do for a while: a TimeoutError is an OSError
        finally:
            # What is left has ended, or will, when the server sees our end closed. Later it would be somebody else.
            while not self._abandoned.empty():
                self._abandoned.get_nowait()

    async def _stop_all(self, connection: Connection) -> None:
        answer = await connection.ask(_UPTIME, _KILL_S)
        uptime_s = int(answer.rows[0][1]) if answer.rows else 0
        # Between two whole seconds, each rounded down: up to one too many. The server may have begun earlier, not later.
        server_began = monotonic() - uptime_s + 1
        while connection.usable:
            async with asyncio.timeout(_IDLE_S):
                abandoned = await self._abandoned.get()
            if abandoned.peer != connection.peer or abandoned.began < server_began:
                continue
            try:
                await connection.ask(f"KILL {abandoned.server_id:d}", _KILL_S)
            except MySQLError:
                if not connection.usable:
                    raise
                # 1094: it has ended by itself meanwhile.
