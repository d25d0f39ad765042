"""Waiting for something to become true, with a deadline: what tests do instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Return once *condition* is true; fail if it is not within *within_s* seconds."""
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit, f"not true within {within_s} s"
        await asyncio.sleep(0.005)


async def until_true(condition: Callable[[], Awaitable[object]], within_s: float = 60.0) -> None:
    """The same for a *condition* that has to be asked for."""
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - what is asked is outside of this process
            await asyncio.sleep(0.01)
