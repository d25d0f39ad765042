"""Corrections: whatever comes after one, in whatever order, the day is the same; only another one lowers it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.days import day_end, hour_end
from firewalker.step.domain.correction import CAPS, Correction, correct, over
from firewalker.step.domain.day import HOURS, SLOTS, WHOLE_DATE
from firewalker.step.domain.history import DeviceCounts, Merge

DAY = date(2026, 5, 20)
NOT_OVER, OVER = (False,) * SLOTS, (True,) * SLOTS

hours_of_day = st.lists(st.integers(0, 300), min_size=HOURS, max_size=HOURS)
readings = st.lists(st.tuples(st.integers(0, SLOTS - 1), st.integers(0, 900)), max_size=40)
flags = st.lists(st.booleans(), min_size=SLOTS, max_size=SLOTS)


def told(counts: list[int], some: list[tuple[int, int]], correction: Correction | None) -> list[int]:
    """What a device is taken for after these readings, as the ingest merges them."""
    for slot, steps in some:
        taken = steps if correction is None else correction.taken_for(slot, steps)
        counts[slot] = max(counts[slot], taken)
    return counts


@pytest.mark.requirement("DATA-21")
@given(readings, st.lists(st.tuples(hours_of_day, flags, readings), max_size=3), st.data())
def test_after_a_correction_order_and_repeats_leave_no_trace(
    first: list[tuple[int, int]],
    rounds: list[tuple[list[int], list[bool], list[tuple[int, int]]]],
    data: st.DataObject,
) -> None:
    counts, correction = told([0] * SLOTS, first, None), None
    told_so_far = list(first)
    for hours, some_over, after in rounds:
        correction, corrected = correct(counts, correction, hours, some_over)
        assert corrected == (*hours, sum(hours))
        told_so_far += after
        # Everything that was ever told comes again, shuffled and doubled: it was told before, or it adds.
        again = data.draw(st.permutations(told_so_far + after))
        counts = told(list(corrected), again, correction)
        assert counts == told(list(corrected), after, correction)
        for slot in range(SLOTS):
            new = max((steps for where, steps in told_so_far if where == slot), default=0)
            assert counts[slot] == correction.values[slot] + max(0, new - correction.bases[slot])
            assert counts[slot] >= corrected[slot]


@given(readings, hours_of_day)
def test_hours_that_are_over_are_pinned(some: list[tuple[int, int]], hours: list[int]) -> None:
    correction, counts = correct(told([0] * SLOTS, some, None), None, hours, OVER)
    assert all(correction.pinned(slot) for slot in range(SLOTS))
    assert [correction.taken_for(slot, CAPS[slot]) for slot in range(SLOTS)] == list(counts)


def test_later_walking_adds_and_repeats_do_not() -> None:
    counts = [0] * SLOTS
    counts[9] = 8_000
    correction, corrected = correct(counts, None, [0] * 9 + [5_000] + [0] * 14, NOT_OVER)
    assert corrected[9] == corrected[WHOLE_DATE] == 5_000
    assert [correction.taken_for(9, steps) for steps in (7_000, 8_000, 8_500)] == [5_000, 5_000, 5_500]
    # The same walking told as a whole date does not count again, more of it does.
    assert [correction.taken_for(WHOLE_DATE, steps) for steps in (8_000, 8_200)] == [5_000, 5_200]


def test_a_second_correction_knows_what_was_counted_under_the_first() -> None:
    counts = [0] * SLOTS
    counts[9] = 8_000
    first, corrected = correct(counts, None, [0] * 9 + [5_000] + [0] * 14, NOT_OVER)
    grown = list(corrected)
    grown[9] = first.taken_for(9, 8_600)
    second, _ = correct(grown, first, [0] * 9 + [100] + [0] * 14, NOT_OVER)
    assert second.counted[9] == 8_600
    assert [second.taken_for(9, steps) for steps in (8_600, 8_601)] == [100, 101]


@given(st.sampled_from(["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe"]),
       st.dates(date(2026, 1, 1), date(2026, 12, 31)))  # fmt: skip
def test_an_hour_is_over_when_no_clock_shows_it_any_more(name: str, day: date) -> None:
    zone = ZoneInfo(name)
    ends = [hour_end(day, hour, zone) for hour in range(HOURS)]
    assert ends == sorted(ends)
    assert ends[-1] == day_end(day, zone)
    for hour, end in enumerate(ends):
        local = end.astimezone(zone).replace(tzinfo=None)
        assert local >= datetime.combine(day, datetime.min.time()) + timedelta(hours=hour + 1)


def test_hours_around_a_change_of_clocks() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    autumn, spring = date(2026, 10, 25), date(2026, 3, 29)
    assert hour_end(autumn, 2, berlin) == datetime(2026, 10, 25, 2, tzinfo=UTC)  # its second run
    assert hour_end(spring, 1, berlin) == hour_end(spring, 2, berlin) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_which_slots_are_over() -> None:
    seoul = ZoneInfo("Asia/Seoul")
    noon = datetime(2026, 5, 20, 3, tzinfo=UTC)
    assert over(DAY, seoul, noon) == (*[True] * 12, *[False] * 13)
    assert over(DAY, seoul, noon + timedelta(hours=12)) == OVER


devices = st.dictionaries(
    st.sampled_from(["band", "phone", "watch"]),
    st.builds(
        DeviceCounts,
        counts=st.lists(st.integers(0, 5), min_size=SLOTS, max_size=SLOTS).map(tuple),
        last_reading_ms=st.just(0),
        revision=st.just(0),
        source=st.just(1),
    ),
    min_size=1,
)


@given(devices)
def test_the_explanation_adds_up_to_the_day(some: dict[str, DeviceCounts]) -> None:
    merged = Merge.of(some)
    for hour in range(HOURS):
        winner = merged.hourly_devices[hour]
        assert merged.hourly[hour] == max(device.counts[hour] for device in some.values())
        assert (merged.hourly[hour] == 0) if not winner else some[winner].counts[hour] == merged.hourly[hour]
    if merged.whole_day_device:
        assert merged.total == some[merged.whole_day_device].counts[WHOLE_DATE] > sum(merged.hourly)
    else:
        assert merged.total == sum(merged.hourly)
