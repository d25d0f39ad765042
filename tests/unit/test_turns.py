"""Turns of the event loop are measured in CPU time, from when a process serves."""

import asyncio
import time

import pytest

from firewalker.runtime.turns import LONG_S, TimedLoop, count_turns
from tests.support.processor import compute


def turns_of(work: object, *, serving: bool = True) -> tuple[int, float]:
    """How many turns were long, and the longest, of a loop in which *work* is called once."""

    async def main() -> None:
        if serving:
            count_turns()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert callable(work)
        work()
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=TimedLoop) as runner:
        runner.run(main())
        loop = runner.get_loop()
        assert isinstance(loop, TimedLoop)
        return loop.turns.long_turns, loop.turns.longest_s


@pytest.mark.requirement("NET-35")
def test_who_computes_for_long_is_counted() -> None:
    count, longest_s = turns_of(lambda: compute(3 * LONG_S))
    assert count == 1
    assert longest_s >= 3 * LONG_S


@pytest.mark.requirement("NET-35")
def test_who_waits_is_not() -> None:
    """Time that passes is not what is measured: on a busy machine it passes by itself."""
    count, _ = turns_of(lambda: time.sleep(3 * LONG_S))
    assert count == 0


def test_a_start_is_not_counted() -> None:
    assert turns_of(lambda: compute(3 * LONG_S), serving=False) == (0, 0.0)


async def test_another_loop_is_left_alone() -> None:
    count_turns()
