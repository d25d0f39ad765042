import asyncio

import pytest

from firewalker.kernel.faults import DeadlineExceeded
from firewalker.runtime.deadline import deadline, pause, remaining, within


def test_without_a_deadline_only_the_own_limit_counts() -> None:
    assert remaining() is None
    assert within(3.0) == 3.0


def test_the_smaller_limit_counts() -> None:
    with deadline(2.0):
        assert within(1.0) == 1.0
        assert 1.9 < within(9.0) <= 2.0


def test_an_inner_deadline_never_extends_the_outer_one() -> None:
    with deadline(0.5):
        with deadline(60.0):
            assert within(9.0) <= 0.5
        with deadline(None):
            assert remaining() is None
        assert remaining() is not None
    assert remaining() is None


def test_past_it_nothing_is_begun() -> None:
    with deadline(0.0), pytest.raises(DeadlineExceeded):
        within(1.0)


@pytest.mark.alone
async def test_a_pause_that_would_outlast_the_deadline_is_not_begun() -> None:
    began = asyncio.get_running_loop().time()
    with deadline(0.5), pytest.raises(DeadlineExceeded):
        await pause(1.0)
    assert asyncio.get_running_loop().time() - began < 0.1
    await pause(0.0)
