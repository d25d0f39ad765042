"""Waiting for something to become true, with a deadline: what tests do instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest


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


def hold(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> tuple[asyncio.Event, asyncio.Event]:
    """Hold calls of a coroutine method as they return: the first event tells that one does, the second lets them go."""
    method, reached, go = getattr(owner, name), asyncio.Event(), asyncio.Event()

    async def held(*args: Any, **kwargs: Any) -> Any:
        answer = await method(*args, **kwargs)
        reached.set()
        await go.wait()
        return answer

    monkeypatch.setattr(owner, name, held)
    return reached, go
