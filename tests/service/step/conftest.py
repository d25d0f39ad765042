"""A migrated step database, live totals and ingest on the real servers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from importlib.resources import files
from typing import Any, NamedTuple

import pytest

from firewalker.kernel.clock import SystemClock
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.step.ingest import Ingest
from firewalker.step.live import LiveTotals
from tests.service.step.reading import ReadingProcess, all_ears, reading_process
from tests.support.waiting import until


class Process(NamedTuple):
    """What one step process consists of, as far as readings go."""

    database: Database
    live: LiveTotals
    ingest: Ingest


@pytest.fixture
async def step_url(mysql_url: str) -> str:
    await migrate(mysql_url, files("firewalker.step.store") / "schema")
    return mysql_url


@pytest.fixture
async def start_process(step_url: str, redis_url: str) -> AsyncIterator[Callable[..., object]]:
    async with AsyncExitStack() as stack:

        async def start(*, redis: str = redis_url, mysql: str = step_url, **limits: Any) -> Process:
            database = await stack.enter_async_context(Database(mysql, pool_size=6))
            live = LiveTotals(redis, database, SystemClock())
            stack.push_async_callback(live.stop)
            ingest = Ingest(database, live, SystemClock(), **limits)
            stack.push_async_callback(ingest.stop)
            await live.start()
            await ingest.start()
            return Process(database, live, ingest)

        yield start


@pytest.fixture
async def process(start_process: Callable[..., object]) -> Process:
    started: Process = await start_process()  # type: ignore[misc]
    await until(lambda: started.live.healthy)
    return started


@pytest.fixture
async def one(step_url: str, redis_url: str) -> AsyncIterator[ReadingProcess]:
    async with reading_process(step_url, redis_url) as process:
        await all_ears(process)
        yield process


@pytest.fixture
async def two(one: ReadingProcess, step_url: str, redis_url: str) -> AsyncIterator[ReadingProcess]:
    async with reading_process(step_url, redis_url) as process:
        await all_ears(one, process)
        yield process
