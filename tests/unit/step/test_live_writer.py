"""What a process has to tell Redis: nothing that was given up is forgotten."""

import asyncio
from typing import cast

from firewalker.runtime.tasks import end
from firewalker.step.live.buckets import Buckets
from firewalker.step.live.writer import Writer
from tests.support.clock import FakeClock
from tests.support.waiting import until


class SlowRedis:
    """Notes how often it was told that it is incomplete, and answers when it is let."""

    def __init__(self) -> None:
        self.doubts = 0
        self.gate = asyncio.Event()

    async def doubt(self) -> None:
        self.doubts += 1
        await self.gate.wait()


async def test_what_is_given_up_while_redis_is_told_so_is_told_as_well() -> None:
    redis = SlowRedis()
    writer = Writer(cast("Buckets", redis), FakeClock(), failed=lambda: None)
    running = asyncio.create_task(writer.run())
    writer.give_up()
    await until(lambda: redis.doubts == 1)
    writer.give_up()  # commits that were made after Redis had been told
    redis.gate.set()
    await writer.flush()
    await end([running])
    assert redis.doubts == 2
