"""Everybody signs in at once: those who look at boards do not notice."""

import pytest

from firewalker.local.backend import Backend
from tests.bench.accounts import CHECK_TARGET_US, check_cost, rush, sociable
from tests.system.people import Town

pytestmark = pytest.mark.alone

NOISE_MS = 10.0
"""Less than this is the machine, not the storm."""


@pytest.mark.requirement("AUTH-32")
async def test_boards_take_at_most_twice_as_long_while_500_sign_in(town: Town, backend: Backend) -> None:
    viewer = await sociable(town)
    found = await rush(backend, town, viewer, seconds=3.0, clients=500)
    assert found["storm_p99_ms"] <= 2 * max(found["calm_p99_ms"], NOISE_MS), found
    assert found["told"]["BAD_CREDENTIALS"] >= 20, found
    assert set(found["told"]) <= {"BAD_CREDENTIALS", "OVERLOADED", "DEADLINE_EXCEEDED"}, found


@pytest.mark.requirement("AUTH-22")
def test_asking_whether_a_session_has_ended_costs_microseconds_and_no_connection() -> None:
    cost = check_cost()
    assert max(cost["us"].values()) <= CHECK_TARGET_US, cost
