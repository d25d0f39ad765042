"""How fast messages are sent, and when none is."""

from collections import deque

import pytest

from firewalker.notification.domain.device import Platform
from firewalker.notification.fcm.breakers import FIRST_PAUSE_S, Breakers
from firewalker.notification.fcm.pace import Pace
from tests.support.clock import FakeClock


class Quota:
    """FCM's: so many a minute; a minute begins with the first message after the last one."""

    def __init__(self, clock: FakeClock, a_minute: int) -> None:
        self._clock, self._a_minute = clock, a_minute
        self._began, self._used = float("-inf"), 0

    def take(self) -> bool:
        now = self._clock.monotonic()
        if now - self._began >= 60:
            self._began, self._used = now, 0
        self._used += 1
        return self._used <= self._a_minute


def send_for(seconds: float, clock: FakeClock, a_minute: int) -> deque[tuple[float, bool]]:
    """When each message was sent, in seconds from the beginning, and whether the quota was enough for it."""
    pace, quota = Pace(clock, fastest=1_000, ramp_s=0), Quota(clock, a_minute)
    outcomes: deque[tuple[float, bool]] = deque()
    start = clock.monotonic()
    while clock.monotonic() - start < seconds:
        clock.advance(0.1)
        for _ in range(pace.take(1_000)):
            good = quota.take()
            outcomes.append((clock.monotonic() - start, good))
            pace.went_well() if good else pace.quota_spent()
    return outcomes


@pytest.mark.requirement("FCM-08")
@pytest.mark.parametrize("a_minute", [600, 6_000])
def test_the_pace_finds_a_quota_and_stays_just_below(a_minute: int) -> None:
    steady = [good for at, good in send_for(1_800, FakeClock(), a_minute) if at > 600]
    assert steady.count(False) / len(steady) < 0.01
    assert steady.count(True) >= 0.95 * a_minute * 20


@pytest.mark.requirement("FCM-08")
@pytest.mark.parametrize("a_minute", [100, 200])
def test_the_pace_finds_a_small_quota_too(a_minute: int) -> None:
    steady = [good for at, good in send_for(3_600, FakeClock(), a_minute) if at > 1_800]
    assert steady.count(False) / len(steady) < 0.01
    assert steady.count(True) >= 0.8 * a_minute * 30


@pytest.mark.requirement("FCM-08")
def test_who_sent_little_goes_on_at_5_a_second_after_a_refusal() -> None:
    clock = FakeClock()
    pace = Pace(clock, fastest=1_000, ramp_s=0)
    pace.went_well()
    pace.quota_spent()
    for _ in range(30):
        clock.advance(1)
        pace.take(0)
    assert pace.rate == pytest.approx(5, rel=0.1)


@pytest.mark.requirement("FCM-08")
def test_sending_begins_slowly_and_again_after_a_stop() -> None:
    clock = FakeClock()
    pace = Pace(clock, fastest=8_000, ramp_s=60)
    for _ in range(2):
        rates = []
        for _ in range(7):
            rates.append(round(pace.rate))
            clock.advance(10)
        assert rates == [100, 1333, 2667, 4000, 5333, 6667, 8000]
        pace.restart()


def test_what_was_not_sent_can_be_sent_later() -> None:
    clock = FakeClock()
    pace = Pace(clock, fastest=10, ramp_s=0)
    clock.advance(10)
    taken = pace.take(100)
    assert taken == 2
    pace.give_back(2)
    assert pace.take(100) == 2
    assert pace.take(100) == 0


@pytest.mark.requirement("FCM-18")
def test_a_breaker_lets_one_probe_through_and_waits_longer_each_time() -> None:
    clock = FakeClock()
    breakers = Breakers(clock)
    breaker = breakers.platforms[Platform.IOS]
    assert not breaker.is_open
    breaker.trip()
    breaker.trip()
    assert breakers.parked == [Platform.IOS]
    waited = []
    for _ in range(7):
        seconds = 0
        while not breaker.take_probe():
            clock.advance(1)
            seconds += 1
        assert not breaker.take_probe()
        waited.append(seconds)
        breaker.trip()
    assert waited == [FIRST_PAUSE_S * factor for factor in (1, 2, 4, 8, 16, 20, 20)]
    clock.advance(600)
    assert breaker.take_probe()
    assert breaker.mend()
    assert breakers.parked == []
    assert not breaker.mend()
