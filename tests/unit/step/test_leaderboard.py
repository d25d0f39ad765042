"""Ranks, order, freshness and dates of a board."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.step.domain.circle import Circle, Person
from firewalker.step.domain.faults import DateOutOfRange
from firewalker.step.domain.goal import Reached
from firewalker.step.domain.leaderboard import (
    LIVE_MS,
    RECENT_MS,
    Freshness,
    Standing,
    State,
    arranged,
    as_seen,
    board_date,
    fresh_until,
    freshness,
    no_data,
    rank_in,
    require_in_range,
)
from firewalker.step.domain.visibility import Visibility
from tests.unit.step.standings import NOW_MS, naive_board, person, ranks, standing, standings


def person_in(zone: str) -> Person:
    return replace(person(1), zone=ZoneInfo(zone))


def test_equal_steps_share_a_rank_and_the_next_rank_is_skipped() -> None:
    rows = arranged([standing(1, 500), standing(2, 900), standing(3, 500), standing(4, 100), standing(5, 900)])
    assert ranks(rows) == [1, 1, 3, 3, 5]


def test_among_equals_who_got_there_first_stands_first_then_the_lower_id() -> None:
    rows = arranged([standing(1, 500, 30), standing(3, 500, 20), standing(2, 500, 20)])
    assert [row.standing.person.nickname for row in rows] == ["walker 2", "walker 3", "walker 1"]


def test_who_has_no_reading_comes_last_without_a_rank_and_zero_steps_are_a_reading() -> None:
    rows = arranged([no_data(person(1)), standing(2, 0), standing(3, 7)])
    assert ranks(rows) == [1, 2, 0]
    assert [row.standing.state for row in rows] == [State.RANKED, State.RANKED, State.NO_DATA]
    assert rows[-1].standing.freshness is Freshness.NONE


def test_a_hidden_walker_shows_nothing_and_takes_no_rank_from_others() -> None:
    hidden = as_seen(standing(1, 9_999), Visibility.HIDDEN)
    rows = arranged([hidden, standing(2, 10)])
    assert ranks(rows) == [1, 0]
    assert (hidden.state, hidden.behind, hidden.reached_ms, hidden.freshness) == (State.HIDDEN, 0, 0, Freshness.NONE)


def test_ranks_are_by_the_steps_walked_whatever_is_shown_of_them() -> None:
    rounded = as_seen(standing(1, 1_499), Visibility.ROUNDED)
    rank_only = as_seen(standing(2, 1_300), Visibility.RANK_ONLY)
    rows = arranged([standing(3, 1_400), rank_only, rounded])
    assert [(row.rank, row.standing.steps) for row in rows] == [(1, 1_000), (2, 1_400), (3, 0)]
    assert [row.standing.freshness for row in rows] == [Freshness.LIVE, Freshness.LIVE, Freshness.NONE]


@pytest.mark.requirement("PRIV-01")
@pytest.mark.parametrize("reached", Reached)
@pytest.mark.parametrize("visibility", Visibility)
def test_that_a_goal_is_reached_is_seen_if_it_is_shared(visibility: Visibility, reached: Reached) -> None:
    walked = standing(1, 9_000)._replace(goal_reached=reached)
    shows_goals = visibility in {Visibility.FRIENDS, Visibility.ROUNDED}
    assert bool(as_seen(walked, visibility).goal_reached) is (reached is Reached.OPENLY and shows_goals)
    assert as_seen(walked, Visibility.FRIENDS, own=True) is walked


@given(st.lists(standings(st.integers(1, 40)), unique_by=lambda one: one.user_id))
def test_a_board_is_what_the_rules_say(everybody: list[Standing]) -> None:
    rows = arranged(everybody)
    assert rows == naive_board(everybody)
    order = [row.standing for row in rows]
    assert [rank_in(order, one) for one in order] == ranks(rows)


@pytest.mark.parametrize(
    ("age_ms", "expected"),
    [
        (-5_000, Freshness.LIVE),
        (0, Freshness.LIVE),
        (LIVE_MS, Freshness.LIVE),
        (LIVE_MS + 1, Freshness.RECENT),
        (RECENT_MS, Freshness.RECENT),
        (RECENT_MS + 1, Freshness.STALE),
    ],
)
def test_freshness_is_live_to_2_minutes_recent_to_60(age_ms: int, expected: Freshness) -> None:
    assert freshness(NOW_MS - age_ms, NOW_MS) is expected


@given(st.integers(-RECENT_MS, 2 * RECENT_MS))
def test_freshness_holds_until_the_instant_foretold_and_not_longer(age_ms: int) -> None:
    last = NOW_MS - age_ms
    until = fresh_until(last, NOW_MS)
    if until is None:
        assert freshness(last, NOW_MS) is Freshness.STALE
    else:
        assert until > NOW_MS
        assert freshness(last, until - 1) is freshness(last, NOW_MS)
        assert freshness(last, until) is not freshness(last, NOW_MS)


def test_the_board_left_open_is_of_the_callers_own_today() -> None:
    at = datetime(2026, 5, 20, 12, tzinfo=UTC)
    ahead = Circle(person_in("Pacific/Kiritimati"))
    behind = Circle(person_in("Etc/GMT+12"))
    assert board_date(None, ahead, at) == date(2026, 5, 21)
    assert board_date(None, behind, at.replace(hour=11)) == date(2026, 5, 19)
    assert board_date(date(2026, 5, 18), ahead, at) == date(2026, 5, 18)


@pytest.mark.parametrize(("days", "fits"), [(-8, False), (-7, True), (0, True), (1, True), (2, False)])
def test_boards_reach_from_7_days_back_to_1_ahead(days: int, fits: bool) -> None:  # noqa: FBT001
    now = datetime(2026, 5, 20, 23, 59, tzinfo=UTC)
    day = now.date() + timedelta(days=days)
    if fits:
        require_in_range(day, now)
    else:
        with pytest.raises(DateOutOfRange):
            require_in_range(day, now)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.sampled_from(["Pacific/Kiritimati", "Etc/GMT+12"]))  # noqa: DTZ001
def test_everybodys_today_can_be_read(at: datetime, zone: str) -> None:
    now = at.replace(tzinfo=UTC)
    require_in_range(board_date(None, Circle(person_in(zone)), now), now)
