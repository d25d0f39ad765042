from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.cli.walk.circles import MOST_ASKED_BY_ONE, MOST_FRIENDS_OF_THE_FIRST, small_world
from firewalker.cli.walk.gait import Gait, Pace
from firewalker.cli.walk.ledger import Ledger
from firewalker.cli.walk.meters import Latencies
from firewalker.cli.walk.pedometer import MOST_STEPS_IN_AN_HOUR, Pedometer
from firewalker.cli.walk.people import afternoon_zone, people, run_name
from firewalker.gen.pb.firewalker.step.v1 import Reading, ReadingResult, ReadingResultVerdict

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

seeds = st.integers(0, 1 << 31)


@given(seeds, st.sampled_from(Pace), st.lists(st.floats(0.01, 30), min_size=1, max_size=50))
def test_how_often_a_gait_is_asked_does_not_change_how_far_it_gets(seed: int, pace: Pace, parts: list[float]) -> None:
    often, once = Gait(Random(seed), pace), Gait(Random(seed), pace)
    assert abs(sum(often.steps(part) for part in parts) - once.steps(sum(parts))) <= 1


def test_a_walker_walks_at_a_human_cadence() -> None:
    gait = Gait(Random(7), Pace.WALKER)
    assert 60 <= gait.steps(3600) / 60 <= 120


@given(seeds, st.lists(st.integers(0, 5000), max_size=30))
def test_counts_of_a_device_never_fall_and_stay_plausible(seed: int, walked: list[int]) -> None:
    pedometer, before = Pedometer(Random(seed)), Counter[str]()
    for steps in walked:
        for reading in pedometer.walk(steps, NOON):
            assert before[reading.device_id] <= reading.steps <= MOST_STEPS_IN_AN_HOUR
            before[reading.device_id] = reading.steps


def test_the_history_is_of_hours_that_are_over() -> None:
    readings = Pedometer(Random(1)).history(NOON)
    assert readings
    assert {reading.date for reading in readings} == {"2026-03-01"}
    assert max(reading.hour or 0 for reading in readings) < NOON.hour


@given(st.integers(2, 300), seeds)
def test_circles_stay_within_the_limits_on_friend_requests(count: int, seed: int) -> None:
    ties = small_world(count, Random(seed))
    assert len({frozenset(tie) for tie in ties}) == len(ties)
    assert all(asker != asked for asker, asked in ties)
    assert max(Counter(asker for asker, _ in ties).values()) <= MOST_ASKED_BY_ONE
    assert all(asker != 0 for asker, _ in ties)
    # Person 0 is asked by the sample, and by those who reach them on their way round the ring.
    assert sum(asked == 0 for _, asked in ties) <= MOST_FRIENDS_OF_THE_FIRST + 4


def test_people_of_a_run_have_names_of_their_own() -> None:
    crowd = list(people(500, Random(3), run_name(), "Asia/Seoul"))
    assert len({person.nickname.lower() for person in crowd}) == len({person.email for person in crowd}) == 500
    assert all(2 <= len(person.nickname) <= 20 for person in crowd)


@given(st.integers(0, 366 * 24))
def test_the_first_walker_lives_where_it_is_afternoon(hour: int) -> None:
    now = NOON + timedelta(hours=hour)
    home = afternoon_zone(now)
    assert next(people(2, Random(1), run_name(), home)).time_zone == home
    assert 12 <= now.astimezone(ZoneInfo(home)).hour <= 18


def _reading(device: str, hour: int, steps: int) -> Reading:
    return Reading(device_id=device, date="2026-03-01", hour=hour, steps=steps)


ACCEPTED = ReadingResult(verdict=ReadingResultVerdict.ACCEPTED)
REJECTED = ReadingResult(verdict=ReadingResultVerdict.REJECTED, reason="STEPS_IMPLAUSIBLE")


def test_the_ledger_finds_what_is_missing_and_what_nobody_sent() -> None:
    ledger = Ledger()
    readings = [_reading("phone", 8, 100), _reading("watch", 8, 120), _reading("phone", 9, 50)]
    ledger.send([*readings, _reading("phone", 9, 60)])
    ledger.acknowledge(readings, [ACCEPTED, ACCEPTED, ACCEPTED])
    assert ledger.dates() == ["2026-03-01"]
    assert ledger.check("2026-03-01", 170) is None
    assert ledger.check("2026-03-01", 180) is None  # sent, not acknowledged, and there all the same
    assert ledger.check("2026-03-01", 169) is not None
    assert ledger.check("2026-03-01", 181) is not None


def test_a_rejected_reading_promises_nothing() -> None:
    ledger = Ledger()
    ledger.send([_reading("phone", 8, 20_000)])
    ledger.acknowledge([_reading("phone", 8, 20_000)], [REJECTED])
    assert ledger.dates() == []


@given(st.lists(st.floats(0.0002, 30), min_size=1, max_size=200), st.floats(0.01, 1))
def test_quantiles_are_never_too_small_and_at_most_a_bucket_too_large(values: list[float], share: float) -> None:
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    index = next(i for i in range(len(values)) if i + 1 >= share * len(values))
    exact = sorted(values)[index]
    assert exact * 0.999 <= latencies.quantile(share) <= exact * 1.05


def test_no_latency_is_shown_before_the_first_answer() -> None:
    assert Latencies().quantile(0.99) == pytest.approx(0.0)
