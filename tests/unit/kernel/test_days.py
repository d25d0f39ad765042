"""Civil dates and zones."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.days import date_in, day_end, earliest_date, latest_date, parse_date, parse_zone

pytestmark = pytest.mark.requirement("DATA-22")

ZONES = [
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "Asia/Seoul",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "UTC",
]


@given(st.dates())
def test_a_date_is_read_back_from_its_text(day: date) -> None:
    assert parse_date(day.isoformat()) == day


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-1-01",
        "2026-01-1",
        "20260101",
        "2026-W01-1",
        "2026-02-30",
        "2026-01-01 ",
        "\u0662026-01-01",
        "0000-01-01",
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    "name", ["", "Seoul", "asia/seoul", "localtime", "Factory", "../etc/passwd", "/etc/localtime", "UTC+9"]
)
def test_what_is_no_place_is_no_zone(name: str) -> None:
    assert parse_zone(name) is None


@given(st.sampled_from(ZONES), st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)))  # noqa: DTZ001 - hypothesis wants it
def test_a_day_ends_when_the_next_date_begins(name: str, at: datetime) -> None:
    zone, at = ZoneInfo(name), at.replace(tzinfo=UTC)
    day = date_in(zone, at)
    end = day_end(day, zone)
    assert end > at
    assert date_in(zone, end) == day + timedelta(days=1)
    assert date_in(zone, end - timedelta(milliseconds=1)) == day


def test_days_of_a_change_to_summer_time_have_23_hours_and_back_25() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert day_end(date(2026, 3, 29), berlin) - day_end(date(2026, 3, 28), berlin) == timedelta(hours=23)
    assert day_end(date(2026, 10, 25), berlin) - day_end(date(2026, 10, 24), berlin) == timedelta(hours=25)


@given(st.sampled_from(ZONES), st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)))  # noqa: DTZ001 - hypothesis wants it
def test_today_is_nowhere_outside_of_the_earths_window(name: str, at: datetime) -> None:
    at = at.replace(tzinfo=UTC)
    assert earliest_date(at) <= date_in(ZoneInfo(name), at) <= latest_date(at)
