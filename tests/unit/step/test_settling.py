"""The rounds in which boards are frozen."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firewalker.kernel.days import day_end, parse_zone, zone_names
from firewalker.step.domain.day import SETTLING
from firewalker.step.domain.settling import LAST_ROUND, dates_to_settle, due, zones_of_round


@pytest.mark.requirement("DATA-22")
@settings(max_examples=5)
@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)))
def test_every_zone_has_its_round_and_none_comes_too_early(day: date) -> None:
    rounds = [set(zones_of_round(day, number)) for number in range(LAST_ROUND + 1)]
    for name in zone_names():
        zone = parse_zone(name)
        assert zone is not None
        (number,) = [number for number, zones in enumerate(rounds) if name in zones]
        final = day_end(day, zone) + SETTLING
        assert final < due(day, number) <= final + timedelta(minutes=61)


def test_a_date_is_looked_at_from_its_first_end_on() -> None:
    first = datetime(2026, 5, 20, 22, 1, tzinfo=UTC)  # Kiritimati's midnight and half a day
    assert dates_to_settle(first)[-1] == date(2026, 5, 20)
    assert dates_to_settle(first - timedelta(seconds=1))[-1] == date(2026, 5, 19)
    assert len(dates_to_settle(first)) == 14
