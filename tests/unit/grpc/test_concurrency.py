from collections.abc import Iterator
from itertools import repeat

import pytest

from firewalker.runtime.grpc.concurrency import LEAST, ConcurrencyLimit

METHOD = "/x.X/Y"


class World:
    """A clock, a limit, and calls that take as long as they are told to."""

    def __init__(self, initial: int = 100, *, adaptive: bool = True, most: int = 1_000) -> None:
        self.time = 0.0
        self.limit = ConcurrencyLimit(initial, adaptive=adaptive, most=most, now=lambda: self.time)

    def windows(self, durations: Iterator[float], count: int, *, used: bool, method: str = METHOD) -> None:
        for _ in range(count):
            for _ in range(20):
                self.limit.strained = used
                self.time += 0.006
                self.limit.observe(method, next(durations))


def test_calls_that_take_longer_than_usual_lower_a_limit_that_is_used() -> None:
    world = World()
    world.windows(repeat(0.01), 20, used=False)
    world.windows(repeat(0.05), 10, used=True)
    assert world.limit.value < 50


def test_slow_calls_far_below_the_limit_change_nothing() -> None:
    world = World()
    world.windows(repeat(0.01), 20, used=False)
    world.windows(repeat(0.05), 10, used=False)
    assert world.limit.value == 100


def test_a_used_limit_rises_while_calls_take_as_long_as_usual() -> None:
    world = World(most=130)
    world.windows(repeat(0.01), 20, used=False)
    world.windows(repeat(0.012), 50, used=True)
    assert world.limit.value == 130


def test_it_never_falls_below_its_least() -> None:
    world = World()
    world.windows(repeat(0.001), 20, used=False)
    world.windows(repeat(1.0), 40, used=True)
    assert world.limit.value == LEAST


def test_it_recovers_when_calls_are_quick_again() -> None:
    world = World()
    world.windows(repeat(0.01), 20, used=False)
    world.windows(repeat(0.05), 30, used=True)
    low = world.limit.value
    world.windows(repeat(0.01), 50, used=True)
    assert world.limit.value > low + 40


def test_a_long_overload_does_not_become_the_usual() -> None:
    world = World()
    world.windows(repeat(0.01), 20, used=False)
    for _ in range(300):  # it hovers around twice the usual time, as it does when calls are let in up to the limit
        world.windows(repeat(0.01 * max(1.0, world.limit.value / 20)), 1, used=True)
    assert world.limit.value < 60


class Rush:
    """A process that serves 250 calls a second, each in 40 ms while it is quiet, and gets three times as many."""

    def __init__(self) -> None:
        self.world = World(200)
        self.world.windows(repeat(0.04), 20, used=False)
        self.running: list[float] = []
        self.world.limit.under_way = lambda: [(METHOD, began) for began in self.running]

    def go_on(self, seconds: float) -> float:
        """The longest that a call took."""
        limit, longest = self.world.limit, 0.0
        for tick in range(int(seconds * 750)):
            self.world.time += 1 / 750
            if len(self.running) < limit.value:
                self.running.append(self.world.time)
                limit.begun(len(self.running))
            else:
                limit.strained = True
            if tick % 3 == 0 and self.running and self.world.time - self.running[0] > 0.04:
                took = self.world.time - self.running.pop(0)
                longest = max(longest, took)
                limit.observe(METHOD, took)
        return longest


def test_a_rush_is_felt_before_the_first_of_it_is_late() -> None:
    rush = Rush()
    # Up to the limit of 200 they would wait for 0.8 s.
    assert rush.go_on(2.0) < 0.5
    assert rush.world.limit.value < 50
    assert rush.go_on(2.0) < 0.2


def test_one_call_that_is_stuck_does_not_speak_for_all() -> None:
    world = World()
    world.windows(repeat(0.01), 20, used=False)
    world.limit.under_way = lambda: [(METHOD, 0.0)]
    world.windows(repeat(0.01), 20, used=True)
    assert world.limit.value > 100


def test_many_calls_that_take_as_long_as_usual_are_no_rush() -> None:
    world = World(200)
    world.windows(repeat(0.1), 20, used=False)
    for _ in range(100):
        world.time += 0.1
        # Eighty at once, of all ages.
        world.limit.under_way = lambda: [(METHOD, world.time - age / 800) for age in range(80)]
        for _ in range(20):
            world.limit.observe(METHOD, 0.1)
            world.limit.begun(80)
    assert world.limit.value == 200


def test_each_method_is_compared_with_itself() -> None:
    world = World()
    world.windows(repeat(0.001), 20, used=False, method="/x.X/Quick")
    world.windows(repeat(0.5), 20, used=False, method="/x.X/Slow")
    world.windows(repeat(0.5), 10, used=True, method="/x.X/Slow")
    assert world.limit.value > 100


def test_without_learning_it_stays() -> None:
    world = World(7, adaptive=False)
    world.windows(repeat(0.01), 20, used=False)
    world.windows(repeat(1.0), 20, used=True)
    assert world.limit.value == 7


@pytest.mark.parametrize(("least", "most"), [(0, 10), (9, 8)])
def test_impossible_bounds_are_refused(least: int, most: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ConcurrencyLimit(10, least=least, most=most)
