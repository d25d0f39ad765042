"""Waiting for something to become true, with a deadline: what tests do instead of sleeping."""

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Return once *condition* is true; fail if it is not within *within_s* seconds."""
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit, f"not true within {within_s} s"
        await asyncio.sleep(0.005)
