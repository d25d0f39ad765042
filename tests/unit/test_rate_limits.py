from fractions import Fraction
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.runtime.grpc.rates import client_address
from firewalker.runtime.rate_limits import LocalBuckets, Rate


class Oracle:
    """A bucket of *burst* turns that fills with *per_s*, in exact numbers; slow and obvious."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.turns = Fraction(rate.burst)
        self.at = Fraction(0)

    def take(self, at: Fraction) -> bool:
        per_s = Fraction(1_000_000, self.rate.interval_us)
        self.turns = min(Fraction(self.rate.burst), self.turns + (at - self.at) * per_s)
        self.at = at
        if self.turns < 1:
            return False
        self.turns -= 1
        return True


class Clock:
    def __init__(self) -> None:
        self.us = 1_000_000_000

    def __call__(self) -> float:
        return self.us / 1_000_000


rates = st.builds(Rate, st.just("x"), per_s=st.sampled_from([0.1, 0.5, 1.0, 2.0, 8.0, 100.0]), burst=st.integers(1, 20))


@pytest.mark.requirement("NET-34")
@given(rates, st.lists(st.integers(0, 3_000_000), max_size=60))
def test_it_decides_as_the_oracle_does(rate: Rate, pauses_us: list[int]) -> None:
    clock = Clock()
    buckets, oracle, elapsed = LocalBuckets(clock), Oracle(rate), 0
    for pause_us in pauses_us:
        clock.us += pause_us
        elapsed += pause_us
        granted, wait_s = buckets.take("k", rate)
        assert bool(granted) is oracle.take(Fraction(elapsed, 1_000_000))
        assert (wait_s > 0) is not bool(granted)


@pytest.mark.requirement("NET-34")
@given(rates, st.lists(st.tuples(st.integers(0, 2_000_000), st.integers(1, 10)), max_size=60))
def test_it_never_lets_through_more_than_burst_and_rate_times_time(rate: Rate, asked: list[tuple[int, int]]) -> None:
    clock, taken = Clock(), []
    buckets = LocalBuckets(clock)
    for pause_us, wanted in asked:
        clock.us += pause_us
        taken.append((clock.us, buckets.take("k", rate, wanted)[0]))
    for start in range(len(taken)):
        for end in range(start, len(taken)):
            seconds = (taken[end][0] - taken[start][0]) / 1_000_000
            assert sum(turns for _, turns in taken[start : end + 1]) <= rate.burst + rate.per_s * seconds + 1e-6


@pytest.mark.requirement("NET-34")
@given(rates, st.integers(0, 10))
def test_after_the_wait_that_it_names_there_is_a_turn(rate: Rate, spare: int) -> None:
    clock = Clock()
    buckets = LocalBuckets(clock)
    for _ in range(rate.burst + spare):
        buckets.take("k", rate)
    granted, wait_s = buckets.take("k", rate)
    assert not granted
    clock.us += round(wait_s * 1_000_000)
    assert buckets.take("k", rate)[0] == 1


@pytest.mark.requirement("NET-34")
def test_a_clock_that_jumps_back_locks_nobody_out() -> None:
    clock, rate = Clock(), Rate("x", per_s=1, burst=3)
    buckets = LocalBuckets(clock)
    buckets.take("k", rate, 3)
    clock.us -= 3_600_000_000
    _, wait_s = buckets.take("k", rate)
    assert wait_s <= 1


def test_keys_do_not_disturb_each_other_and_old_ones_are_forgotten() -> None:
    rate = Rate("x", per_s=0.001, burst=1)
    buckets = LocalBuckets(Clock(), most_keys=10)
    assert all(buckets.take(str(key), rate)[0] for key in range(100))
    assert buckets.take("0", rate)[0] == 1
    assert buckets.take("99", rate)[0] == 0


@pytest.mark.parametrize("wrong", [{"per_s": 0}, {"burst": 0}, {"name": ""}])
def test_a_rate_that_lets_nothing_through_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="lets at least one through"):
        Rate(**{"name": "x", "per_s": 1.0, "burst": 1, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("peer", "told", "expected"),
    [
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),  # a stranger says what it likes
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),  # written by the client before the proxy's own
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),  # two proxies
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.7", "10.0.0.7"),
        ("", "203.0.113.9", ""),
    ],
)
def test_only_trusted_proxies_say_where_a_request_comes_from(peer: str, told: str, expected: str) -> None:
    headers = [(b"x-forwarded-for", told.encode())] if told else []
    assert client_address(peer, headers, [ip_network("10.0.0.0/24")]) == expected
