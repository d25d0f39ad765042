"""Quiet hours by the clock on the wall, wherever it hangs and whatever is done to it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firewalker.notification.domain.quiet_hours import QuietHours, clock_time, parse_clock_time


def quiet(start: str, end: str) -> QuietHours:
    first, last = parse_clock_time(start), parse_clock_time(end)
    assert first is not None
    assert last is not None
    return QuietHours(first, last)


@pytest.mark.requirement("DLV-09")
@pytest.mark.parametrize(
    ("zone", "start", "end", "now", "over"),
    [
        ("Asia/Seoul", "23:00", "07:00", "2026-05-20T13:59", "2026-05-20T13:59"),
        ("Asia/Seoul", "23:00", "07:00", "2026-05-20T14:00", "2026-05-20T22:00"),
        ("Asia/Seoul", "23:00", "07:00", "2026-05-20T21:59", "2026-05-20T22:00"),
        ("Asia/Seoul", "23:00", "07:00", "2026-05-20T22:00", "2026-05-20T22:00"),
        ("Europe/Berlin", "22:00", "08:00", "2026-03-28T22:00", "2026-03-29T06:00"),  # the night of 23 hours
        ("Europe/Berlin", "22:00", "08:00", "2026-10-24T21:00", "2026-10-25T07:00"),  # the night of 25 hours
        ("Europe/Berlin", "22:00", "02:30", "2026-03-28T23:00", "2026-03-29T01:30"),  # 02:30 does not exist
        ("Europe/Berlin", "22:00", "02:30", "2026-10-24T23:00", "2026-10-25T00:30"),  # 02:30 comes twice
        ("Europe/Berlin", "22:00", "02:30", "2026-10-25T01:10", "2026-10-25T01:30"),
        ("America/New_York", "13:00", "14:00", "2026-05-20T17:30", "2026-05-20T18:00"),
        ("UTC", "08:00", "08:00", "2026-05-20T08:00", "2026-05-20T08:00"),
    ],
)
def test_quiet_hours_end_when_the_clock_says_so(zone: str, start: str, end: str, now: str, over: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert quiet(start, end).over_at(at, ZoneInfo(zone)) == datetime.fromisoformat(over).replace(tzinfo=UTC)


_ZONES = (
    "UTC",
    "Asia/Seoul",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
)


@given(
    zone=st.sampled_from(_ZONES),
    start=st.integers(0, 1439),
    end=st.integers(0, 1439),
    at=st.integers(1_300_000_000, 1_900_000_000).map(lambda stamp: datetime.fromtimestamp(stamp, UTC)),
)
@example(zone="Pacific/Apia", start=1320, end=480, at=datetime(2011, 12, 30, 9, 0, tzinfo=UTC))
def test_they_always_end_within_two_days_and_are_over_then(zone: str, start: int, end: int, at: datetime) -> None:
    hours = QuietHours(start, end)
    over = hours.over_at(at, ZoneInfo(zone))
    assert at <= over <= at + timedelta(hours=50)
    local = at.astimezone(ZoneInfo(zone))
    assert (over == at) is (not hours.hold(local.hour * 60 + local.minute))


@given(st.text(max_size=6))
@example("24:00")
@example("٠٨:00")
def test_only_times_are_times(text: str) -> None:
    minutes = parse_clock_time(text)
    assert minutes is None or clock_time(minutes) == text
