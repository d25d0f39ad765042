"""Series, sums, streaks and medians, against the obvious way of computing them."""

import statistics
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.zone_history import ZoneHistory
from firewalker.step.domain.day import State, state
from firewalker.step.domain.goal import Goals
from firewalker.step.domain.period import Period, Span, span_of
from firewalker.step.domain.stats import (
    STREAK_DAYS,
    Streaks,
    Summary,
    by_date,
    by_hour,
    change_percent,
    median,
    streaks,
    summary,
)
from firewalker.step.usecases.stats import last_settled

TODAY = date(2026, 3, 30)
"""The day after clocks went forward in Europe."""

ALWAYS = Goals(((date(2000, 1, 1), 1_000),), shared=False)


def back(days: int) -> date:
    return TODAY - timedelta(days=days)


TOTALS = st.dictionaries(st.integers(0, 60).map(back), st.integers(0, 3_000), max_size=60)
GOALS = st.lists(st.tuples(st.integers(0, 70).map(back), st.sampled_from([100, 1_000, 2_000])), max_size=5).map(
    lambda entries: Goals(tuple(sorted(dict(entries).items())), shared=False)
)


@given(TOTALS, GOALS, st.sampled_from([Period.WEEK, Period.MONTH]), st.integers(0, 40).map(back))
def test_a_series_has_a_point_for_every_date_and_gaps_where_there_is_no_data(
    totals: dict[date, int], goals: Goals, period: Period, day: date
) -> None:
    span = span_of(period, day)
    points = by_date(span, totals, goals)
    assert [point.day for point in points] == span.dates()
    for point in points:
        assert (point.value, point.has_data) == (totals.get(point.day, 0), point.day in totals)
        assert point.goal == goals.as_of(point.day)
        assert point.goal_reached == (point.goal > 0 and point.value >= point.goal)
    found = summary(span, totals)
    with_data = [point.value for point in points if point.has_data]
    assert (found.total, found.days) == (sum(with_data), len(with_data))
    assert found.average == (int(statistics.mean(with_data)) if with_data else 0)
    if with_data:
        best = next(point for point in points if point.has_data and point.value == max(with_data))
        assert found.best == (best.value, best.day)
    else:
        assert found.best is None


@given(TOTALS, GOALS, st.integers(0, 20).map(back))
def test_streaks_are_the_runs_of_reached_dates_up_to_the_last_settled_one(
    totals: dict[date, int], goals: Goals, settled: date
) -> None:
    reached = [
        goals.as_of(day) > 0 and totals.get(day, 0) >= goals.as_of(day)
        for day in (settled - timedelta(days=count) for count in range(STREAK_DAYS))
    ]
    marks = "".join("x" if one else " " for one in reversed(reached))
    longest = max((len(run) for run in marks.split()), default=0)
    assert streaks(totals, goals, settled) == Streaks(len(marks) - len(marks.rstrip("x")), longest)


def test_a_day_that_is_not_settled_neither_adds_to_a_streak_nor_breaks_it() -> None:
    totals = {back(days): 1_000 for days in (2, 3, 4)}
    assert streaks(totals, ALWAYS, back(2)) == Streaks(3, 3)
    assert streaks(totals | {back(1): 5_000, back(0): 5_000}, ALWAYS, back(2)) == Streaks(3, 3)
    assert streaks(totals, ALWAYS, back(1)) == Streaks(0, 3)


@given(
    st.datetimes(datetime(2026, 3, 27), datetime(2026, 4, 7)),  # noqa: DTZ001 - made aware below
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati", "Etc/GMT+12"]),
)
def test_the_last_settled_date_is_final_and_the_next_is_not_whatever_clocks_do(at: datetime, zone_name: str) -> None:
    zone, now = ZoneInfo(zone_name), at.replace(tzinfo=UTC)
    settled = last_settled(ZoneHistory(zone), now)
    assert state(settled, zone, now) is State.FINAL
    assert state(settled + timedelta(days=1), zone, now) is not State.FINAL


@given(st.none() | st.lists(st.integers(0, 500), min_size=25, max_size=25), st.integers(0, 3_000))
def test_hours_have_data_up_to_the_last_that_was_counted(counts: list[int] | None, goal: int) -> None:
    points = by_hour(TODAY, counts, goal)
    assert [point.hour for point in points] == list(range(24))
    hours = counts[:24] if counts else [0] * 24
    assert [point.value for point in points] == hours
    for hour, point in enumerate(points):
        assert point.has_data == any(hours[hour:])
        assert point.goal_reached == (goal > 0 and sum(hours[: hour + 1]) >= goal)


@given(st.lists(st.integers(0, 50_000)))
def test_the_median_is_the_middle_one(values: list[int]) -> None:
    assert median(values) == (int(statistics.median(values)) if values else 0)


def test_a_change_is_told_in_percent_only_where_there_is_something_to_compare() -> None:
    def of(average: int, days: int = 1) -> Summary:
        return Summary(average * days, average, days, None)

    assert change_percent(of(1_000), of(1_500)) == 50
    assert change_percent(of(1_000), of(999)) == 0
    assert change_percent(of(1_000), of(0)) == -100
    assert change_percent(of(0), of(10)) is None
    assert change_percent(of(10), of(0, days=0)) is None


def test_a_summary_looks_at_its_own_span_only() -> None:
    totals = {back(days): 100 for days in range(10)}
    assert summary(Span(back(3), back(2)), totals).total == 200


def test_after_a_move_each_date_settles_in_its_own_zone() -> None:
    west = ZoneHistory(ZoneInfo("Asia/Seoul"), ((TODAY, ZoneInfo("Pacific/Honolulu")),))
    noon_in_seoul = datetime(TODAY.year, TODAY.month, TODAY.day, 3, tzinfo=UTC)
    assert last_settled(west, noon_in_seoul) == back(1)
    assert last_settled(west, noon_in_seoul - timedelta(seconds=1)) == back(2)
    assert last_settled(west, noon_in_seoul + timedelta(days=1, hours=18)) == back(1)
    assert last_settled(west, noon_in_seoul + timedelta(days=1, hours=19)) == TODAY
