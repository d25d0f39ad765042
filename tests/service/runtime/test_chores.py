"""Chores run in portions, give up for a while on trouble, and stop when told."""

from datetime import timedelta

import pytest

from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.runtime import chores
from firewalker.runtime.chores import Chore
from tests.support.waiting import until

OFTEN = timedelta(milliseconds=5)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chores, "_PAUSE_S", 0)


async def test_a_chore_goes_on_until_nothing_is_left_and_again_later() -> None:
    left = [3, 2, 0, 1, 0]

    async def work() -> int:
        return left.pop(0) if left else 0

    chore = Chore("sweep", OFTEN, work)
    await chore.start()
    await until(lambda: not left)
    await chore.stop()


@pytest.mark.parametrize("trouble", [DatabaseUnavailable(), ValueError("a bug")])
async def test_trouble_puts_a_chore_off_and_ends_neither_it_nor_the_process(trouble: Exception) -> None:
    calls = 0

    async def work() -> int:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise trouble
        return 0

    chore = Chore("sweep", OFTEN, work)
    await chore.start()
    await until(lambda: calls >= 3)
    await chore.stop()


async def test_a_chore_that_never_started_stops() -> None:
    async def work() -> int:
        return 0

    await Chore("sweep", OFTEN, work).stop()
