"""Turns of the transcoder's event loop are measured in CPU time, from when it serves."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.processor import compute
from transcoder.metrics import LONG_TURN_S, Metrics
from transcoder.turns import TimedLoop


@pytest.mark.requirement("NET-35")
@pytest.mark.parametrize(("work", "serving", "long"), [(compute, True, 1), (time.sleep, True, 0), (compute, False, 0)])
def test_who_computes_for_long_while_it_serves_is_counted(work: object, long: int, *, serving: bool) -> None:
    metrics = Metrics()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TimedLoop)
        if serving:
            loop.tell(metrics.turn)
        await asyncio.sleep(0)
        assert callable(work)
        work(3 * LONG_TURN_S)
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=TimedLoop) as runner:
        runner.run(main())
    assert metrics.registry.get_sample_value("transcoder_event_loop_long_turns_total") == long
    longest_s = metrics.registry.get_sample_value("transcoder_event_loop_longest_turn_seconds")
    assert longest_s is not None
    assert (longest_s >= 3 * LONG_TURN_S) is bool(long)
