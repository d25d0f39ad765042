import asyncio
import time
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from firewalker.runtime.watchdog import Watchdog
from tests.support.waiting import until


@pytest.fixture
def log() -> Any:
    capture, before = LogCapture(), structlog.get_config()
    structlog.configure(processors=[capture])
    yield capture
    structlog.configure(**before)


def stare_at_the_wall(seconds: float) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        sum(range(1_000))


@pytest.mark.requirement("NET-35")
async def test_what_blocks_the_loop_is_logged_with_its_stack(log: LogCapture) -> None:
    watchdog = Watchdog()
    watchdog.start()
    try:
        for _ in range(5):  # a starved machine may hide one
            stare_at_the_wall(0.4)
            await asyncio.sleep(0.05)
            if log.entries:
                break
        await until(lambda: log.entries)
    finally:
        watchdog.stop()
    entry = log.entries[0]
    assert entry["event"] == "event loop blocked"
    assert entry["lag_ms"] >= 100
    assert "stare_at_the_wall" in entry["stack"]


@pytest.mark.alone
@pytest.mark.requirement("NET-35")
async def test_a_loop_that_waits_is_not_blocked(log: LogCapture) -> None:
    watchdog = Watchdog()
    watchdog.start()
    await asyncio.sleep(0.3)
    watchdog.stop()
    assert log.entries == []
