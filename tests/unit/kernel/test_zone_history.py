"""Which zone a day follows after its walker moved, and which date is today."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.kernel.days import date_in, day_end
from firewalker.kernel.zone_history import ZoneHistory

SEOUL, LIMA, BERLIN = ZoneInfo("Asia/Seoul"), ZoneInfo("America/Lima"), ZoneInfo("Europe/Berlin")
MOVE = date(2026, 5, 21)
ZONES = st.sampled_from(["Asia/Seoul", "America/Lima", "Pacific/Kiritimati", "Etc/GMT+12", "UTC"]).map(ZoneInfo)


def test_days_before_a_move_keep_their_zone() -> None:
    history = ZoneHistory(SEOUL, ((MOVE, LIMA), (MOVE + timedelta(days=9), BERLIN)))
    days = [MOVE - timedelta(days=1), MOVE, MOVE + timedelta(days=8), MOVE + timedelta(days=9)]
    assert [history.on(day) for day in days] == [SEOUL, LIMA, LIMA, BERLIN]
    assert history.newest == BERLIN


@pytest.mark.parametrize(
    ("old", "new", "at", "today"),
    [
        # To the west: the old day ends by the old clock, the new one begins at once and lasts until its own midnight.
        (SEOUL, LIMA, datetime(2026, 5, 20, 14, 59, tzinfo=UTC), date(2026, 5, 20)),
        (SEOUL, LIMA, datetime(2026, 5, 20, 15, 0, tzinfo=UTC), date(2026, 5, 21)),
        (SEOUL, LIMA, datetime(2026, 5, 22, 4, 59, tzinfo=UTC), date(2026, 5, 21)),
        # To the east: the first new day is short.
        (LIMA, SEOUL, datetime(2026, 5, 21, 4, 59, tzinfo=UTC), date(2026, 5, 20)),
        (LIMA, SEOUL, datetime(2026, 5, 21, 5, 0, tzinfo=UTC), date(2026, 5, 21)),
        (LIMA, SEOUL, datetime(2026, 5, 21, 15, 0, tzinfo=UTC), date(2026, 5, 22)),
    ],
)
def test_today_is_the_first_day_that_is_not_over(old: ZoneInfo, new: ZoneInfo, at: datetime, today: date) -> None:
    assert ZoneHistory(old, ((MOVE, new),)).today(at) == today


@given(ZONES, st.lists(ZONES, max_size=3), st.integers(0, 24 * 12))
def test_time_passes_from_one_date_to_the_next(first: ZoneInfo, later: list[ZoneInfo], hours: int) -> None:
    changes = tuple((MOVE + timedelta(days=2 * number), zone) for number, zone in enumerate(later))
    history = ZoneHistory(first, changes)
    now = datetime(2026, 5, 18, tzinfo=UTC) + timedelta(hours=hours)
    today = history.today(now)
    assert day_end(today, history.on(today)) > now
    yesterday = today - timedelta(days=1)
    assert day_end(yesterday, history.on(yesterday)) <= now
    if not later:
        assert today == date_in(first, now)
