"""Who is on a board, and until when it moves."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from firewalker.step.domain.circle import Circle, Friend, Person
from firewalker.step.domain.visibility import Bond, Visibility
from tests.unit.step.standings import person

DAY = date(2026, 5, 20)


def living_in(number: int, zone: str) -> Person:
    return replace(person(number), zone=ZoneInfo(zone))


def friend(number: int, zone: str = "UTC", since: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> Friend:
    return Friend(living_in(number, zone), since)


def test_a_board_freezes_12_hours_after_the_last_midnight_of_its_members() -> None:
    circle = Circle(living_in(1, "Asia/Seoul"), (friend(2, "Europe/Berlin"), friend(3, "Asia/Seoul")))
    assert circle.freeze_time(DAY) == datetime(2026, 5, 20, 22, tzinfo=UTC) + timedelta(hours=12)
    assert circle.midnight(DAY) == datetime(2026, 5, 20, 15, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "America/St_Johns"])
def test_no_board_moves_after_0_oclock_utc_of_the_second_day_after(zone: str) -> None:
    assert Circle(living_in(1, zone)).freeze_time(DAY) <= datetime(2026, 5, 22, tzinfo=UTC)


def test_a_frozen_board_shows_who_were_friends_at_the_walkers_midnight() -> None:
    early = friend(2)
    late = friend(3, since=datetime(2026, 5, 21, 0, 1, tzinfo=UTC))
    circle = Circle(living_in(1, "UTC"), (early, late))
    frozen = circle.freeze_time(DAY)
    assert circle.members(DAY, frozen - timedelta(seconds=1)) == (circle.me, early.person, late.person)
    assert circle.members(DAY, frozen) == (circle.me, early.person)


def test_who_came_after_midnight_does_not_keep_a_board_open() -> None:
    late = friend(2, "Etc/GMT+12", since=datetime(2026, 5, 21, 0, 1, tzinfo=UTC))
    assert Circle(living_in(1, "UTC"), (late,)).freeze_time(DAY) == Circle(living_in(1, "UTC")).freeze_time(DAY)


def test_what_friends_show_each_other_is_kept_with_them() -> None:
    open_one, hidden = friend(2), replace(friend(3), bond=Bond(friends=True, subject_shows=Visibility.HIDDEN))
    circle = Circle(living_in(1, "UTC"), (open_one, hidden))
    assert [circle.sight(one.user_id) for one in circle.people] == [
        Visibility.FRIENDS,
        Visibility.FRIENDS,
        Visibility.HIDDEN,
    ]


def test_a_day_follows_the_zone_that_held_on_it() -> None:
    moved = replace(living_in(1, "Asia/Seoul"), zone_changes=((DAY + timedelta(days=1), ZoneInfo("America/Lima")),))
    circle = Circle(moved)
    assert circle.midnight(DAY) == datetime(2026, 5, 20, 15, tzinfo=UTC)
    assert circle.midnight(DAY + timedelta(days=1)) == datetime(2026, 5, 22, 5, tzinfo=UTC)
    assert circle.freeze_time(DAY) == datetime(2026, 5, 21, 3, tzinfo=UTC)
