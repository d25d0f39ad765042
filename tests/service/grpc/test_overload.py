"""Three times as many calls as the server can serve: it does its work all the same, and is well again soon after."""

import pytest

from tests.bench.overload import DEADLINE_S, measure

pytestmark = pytest.mark.alone


@pytest.mark.requirement("NET-31", "NET-32")
async def test_goodput_stays_at_three_times_the_capacity_and_recovers() -> None:
    figures = await measure(3.0, admission=True)
    shown = figures.table()
    assert figures.overload.goodput >= 0.8 * figures.peak, shown
    assert figures.recovery_s(figures.peak / 2) <= 5, shown
    # Nobody was served whom it was of no use to: late answers are those that only just missed.
    assert max(figures.overload.latencies) <= DEADLINE_S + 0.1, shown
    assert figures.overload.outcomes["DEADLINE_EXCEEDED"] <= 0.02 * figures.overload.offered, shown
    # From the first moment: nobody knows beforehand that a rush is to come.
    assert figures.overload.good_between(0.0, 1.0) >= 0.7 * figures.peak, shown
    # All others were told to come back.
    assert set(figures.overload.outcomes) <= {"OK", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
