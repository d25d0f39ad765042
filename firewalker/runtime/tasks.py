"""Ending background tasks for certain."""

import asyncio
from collections.abc import Iterable

_AGAIN_S = 0.1


async def end(tasks: Iterable["asyncio.Task[None] | None"]) -> None:
    """Cancel *tasks* and return when all of them are over, however they ended.

    A single `cancel` is not enough on Python 3.11: what waits in `asyncio.wait_for`, as redis-py does, may swallow it.
    """
    running = {task for task in tasks if task is not None and not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_S)
