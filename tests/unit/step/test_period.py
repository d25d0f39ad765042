"""Periods: every date is in exactly one of each kind, and they follow each other without a hole."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.step.domain.faults import StatsDateOutOfRange
from firewalker.step.domain.period import EARLIEST, Period, require_askable, span_before, span_of

DATES = st.dates(EARLIEST, date(2100, 1, 1))
LENGTHS = {Period.DAY: {1}, Period.WEEK: {7}, Period.MONTH: {28, 29, 30, 31}, Period.YEAR: {365, 366}}


@given(DATES, st.sampled_from(Period))
def test_a_period_holds_its_date_and_each_of_its_dates_is_in_it(day: date, period: Period) -> None:
    span = span_of(period, day)
    assert span.first <= day <= span.last
    assert len(span.dates()) in LENGTHS[period]
    assert {span_of(period, one) for one in (span.first, span.last)} == {span}
    assert span_before(period, span).last + timedelta(days=1) == span.first


def test_weeks_begin_on_monday_and_months_and_years_are_of_the_calendar() -> None:
    day = date(2024, 2, 29)
    assert [one.isoformat() for one in span_of(Period.WEEK, day)] == ["2024-02-26", "2024-03-03"]
    assert [one.isoformat() for one in span_of(Period.MONTH, day)] == ["2024-02-01", "2024-02-29"]
    assert [one.isoformat() for one in span_of(Period.YEAR, day)] == ["2024-01-01", "2024-12-31"]


@pytest.mark.parametrize(("day", "askable"), [
    ("1999-12-31", False), ("2000-01-01", True), ("2026-05-21", True), ("2026-05-22", False),
])  # fmt: skip
def test_what_can_be_asked_for_ends_with_the_latest_date_on_earth(day: str, askable: bool) -> None:  # noqa: FBT001
    now = datetime(2026, 5, 20, 10, tzinfo=UTC)  # on Kiritimati the 21st has just begun
    if askable:
        require_askable(date.fromisoformat(day), now)
    else:
        with pytest.raises(StatsDateOutOfRange):
            require_askable(date.fromisoformat(day), now)
