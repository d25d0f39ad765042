"""How often a client may ping."""

import pytest

from firewalker.runtime.grpc.pings import PingPolicy

pytestmark = pytest.mark.requirement("NET-06")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def judged(every_s: float, pings: int, sent_before: int = 0) -> int:
    """How many pings in a row, *every_s* apart, are allowed; *sent_before* frames are sent before each."""
    clock = Clock()
    policy = PingPolicy(10.0, clock)
    for number in range(pings):
        clock.now += every_s
        if not policy.allows(sent_before * (number + 1)):
            return number
    return pings


def test_a_client_that_pings_every_15_s_is_never_cut() -> None:
    assert judged(15.0, 10_000) == 10_000


def test_the_third_early_ping_is_one_too_many() -> None:
    # The first has none before it; two strikes are forgiven.
    assert judged(1.0, 100) == 3


def test_pings_upon_what_was_read_are_bandwidth_estimates() -> None:
    assert judged(0.01, 10_000, sent_before=1) == 10_000
