"""The merge and the states of a day, by rule."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.days import date_in, day_end
from firewalker.step.domain.day import (
    HOURS,
    SLOTS,
    WHOLE_DATE,
    State,
    UserTotal,
    begin_ms,
    first_final,
    last_final,
    raised,
    state,
    to_ms,
    total,
)

DAY = date(2026, 5, 20)
ZONES = ["Pacific/Kiritimati", "Asia/Seoul", "UTC", "America/New_York", "Etc/GMT+12", "Australia/Lord_Howe"]

readings = st.lists(
    st.tuples(st.sampled_from(["phone", "watch", "band"]), st.integers(0, WHOLE_DATE), st.integers(0, 15_000)),
    max_size=40,
)
totals = st.builds(UserTotal, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 2))


def day_of(taken: list[tuple[str, int, int]]) -> dict[str, list[int]]:
    devices: dict[str, list[int]] = {}
    for device, slot, steps in taken:
        counts = [0] * SLOTS
        counts[slot] = steps
        devices[device] = raised(devices.get(device, [0] * SLOTS), counts)
    return devices


@pytest.mark.requirement("DATA-20", "DLV-07")
@given(readings, st.randoms(use_true_random=False))
def test_any_permutation_duplication_and_splitting_of_readings_gives_the_same_day(
    taken: list[tuple[str, int, int]], chance: random.Random
) -> None:
    again = taken + [reading for reading in taken if chance.random() < 0.5]
    chance.shuffle(again)
    cut = chance.randint(0, len(again))
    first, second = day_of(again[:cut]), day_of(again[cut:])
    nothing = [0] * SLOTS
    merged = {
        device: raised(first.get(device, nothing), second.get(device, nothing))
        for device in first.keys() | second.keys()
    }
    assert merged == day_of(taken)
    assert total(merged.values()) == total(day_of(taken).values())


@pytest.mark.requirement("DATA-20")
@given(readings)
def test_the_total_never_falls(taken: list[tuple[str, int, int]]) -> None:
    seen = [total(day_of(taken[:count]).values()) for count in range(len(taken) + 1)]
    assert seen == sorted(seen)


@given(readings)
def test_the_total_is_the_best_device_of_each_hour_or_the_best_whole_day(taken: list[tuple[str, int, int]]) -> None:
    best = [max((steps for _, slot, steps in taken if slot == wanted), default=0) for wanted in range(SLOTS)]
    assert total(day_of(taken).values()) == max(sum(best[:HOURS]), best[WHOLE_DATE])


def test_a_phone_and_a_watch_on_the_same_walk_count_once() -> None:
    phone, watch = [0] * SLOTS, [0] * SLOTS
    phone[9], watch[9], watch[10] = 1_000, 1_100, 50
    assert total([phone, watch]) == 1_150


@given(totals, totals, totals)
def test_hearing_of_totals_in_any_order_and_repeatedly_ends_the_same(a: UserTotal, b: UserTotal, c: UserTotal) -> None:
    assert a.merged(b) == b.merged(a)
    assert a.merged(b).merged(c) == a.merged(b.merged(c))
    assert a.merged(b).merged(b) == a.merged(b)


def test_a_later_revision_wins_over_a_larger_total() -> None:
    assert UserTotal(9_000, 1, 1).merged(UserTotal(100, 2, 2, revision=1)) == UserTotal(100, 2, 2, 1)


def test_equal_totals_keep_who_got_there_first() -> None:
    assert UserTotal(500, 2_000, 5_000).merged(UserTotal(500, 1_000, 3_000)) == UserTotal(500, 1_000, 5_000)


@pytest.mark.requirement("DATA-22")
@pytest.mark.parametrize("name", ZONES)
def test_a_day_is_open_until_the_owners_midnight_then_settles_for_twelve_hours(name: str) -> None:
    zone = ZoneInfo(name)
    midnight = day_end(DAY, zone)
    moment = timedelta(milliseconds=1)
    assert date_in(zone, midnight - moment) == DAY
    assert state(DAY, zone, midnight - moment) is State.OPEN
    assert state(DAY, zone, midnight) is State.SETTLING
    assert state(DAY, zone, midnight + timedelta(hours=12) - moment) is State.SETTLING
    assert state(DAY, zone, midnight + timedelta(hours=12)) is State.FINAL


@pytest.mark.parametrize("name", ZONES)
def test_outside_of_the_ambiguous_hours_the_zone_does_not_matter(name: str) -> None:
    zone = ZoneInfo(name)
    assert state(DAY, zone, first_final(DAY) - timedelta(milliseconds=1)) is not State.FINAL
    assert state(DAY, zone, last_final(DAY)) is State.FINAL


def test_a_day_begins_first_at_utc_plus_fourteen() -> None:
    begin = datetime(2026, 5, 20, tzinfo=ZoneInfo("Pacific/Kiritimati")).astimezone(UTC)
    assert begin_ms(DAY) == to_ms(begin)
