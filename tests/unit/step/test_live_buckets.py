"""Which dates' totals Redis keeps."""

from datetime import UTC, datetime, timedelta

import pytest

from firewalker.step.live.buckets import is_kept, open_dates


@pytest.mark.parametrize("hour", [0, 12, 23])
def test_what_counts_as_kept_is_what_a_rebuild_fills(hour: int) -> None:
    now = datetime(2026, 5, 20, hour, 59, tzinfo=UTC)
    around = [now.date() + timedelta(days=days) for days in range(5, -6, -1)]
    assert [day for day in around if is_kept(day, now)] == open_dates(now)
