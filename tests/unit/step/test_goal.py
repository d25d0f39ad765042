"""Goals as of a date: what was wanted then stays what was wanted then."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.step.domain.faults import GoalOutOfRange
from firewalker.step.domain.goal import FEWEST_STEPS, MOST_STEPS, NO_GOALS, Goals, Reached

MONDAY = date(2026, 3, 2)
"""Some weeks of it hold the days on which clocks change; dates have no hours, so nothing happens."""

WISHES = st.lists(
    st.tuples(
        # Today as the walker sees it: mostly it moves on, across the date line also back.
        st.integers(-1, 40),
        st.sampled_from([FEWEST_STEPS, 8_000, 9_000, MOST_STEPS]),
        st.booleans(),
    ),
    max_size=12,
)


def test_the_first_goal_counts_at_once_and_later_ones_from_the_next_date() -> None:
    goals = NO_GOALS.changed(8_000, shared=False, today=MONDAY)
    assert [goals.as_of(MONDAY + timedelta(days)) for days in (-1, 0, 1)] == [0, 8_000, 8_000]
    goals = goals.changed(9_000, shared=False, today=MONDAY)
    assert [goals.as_of(MONDAY + timedelta(days)) for days in (-1, 0, 1)] == [0, 8_000, 9_000]


def test_taking_a_change_back_on_the_same_day_leaves_no_trace() -> None:
    goals = NO_GOALS.changed(8_000, shared=True, today=MONDAY)
    tuesday = MONDAY + timedelta(days=1)
    assert goals.changed(9_000, shared=True, today=tuesday).changed(8_000, shared=True, today=tuesday) == goals


@given(WISHES)
def test_goals_are_what_a_diary_of_every_single_date_says(wishes: list[tuple[int, int, bool]]) -> None:
    goals, today, ever, wanted_shared = NO_GOALS, MONDAY, False, False
    diary: dict[date, int] = {}
    horizon = [MONDAY + timedelta(days=count) for count in range(-20, 600)]
    for moved, daily_steps, shared in wishes:
        today += timedelta(days=moved)
        goals = goals.changed(daily_steps, shared=shared, today=today)
        first = today + timedelta(days=1) if ever else today
        diary.update(dict.fromkeys([day for day in horizon if day >= first], daily_steps))
        ever, wanted_shared = True, shared
    assert [goals.as_of(day) for day in horizon] == [diary.get(day, 0) for day in horizon]
    assert goals.shared is wanted_shared
    firsts = [first for first, _ in goals.history]
    assert firsts == sorted(set(firsts))
    assert all(one[1] != other[1] for one, other in zip(goals.history, goals.history[1:], strict=False))


@pytest.mark.parametrize("daily_steps", [0, -1, FEWEST_STEPS - 1, MOST_STEPS + 1])
def test_goals_outside_of_the_contract_are_refused(daily_steps: int) -> None:
    with pytest.raises(GoalOutOfRange):
        NO_GOALS.changed(daily_steps, shared=True, today=MONDAY)


@pytest.mark.parametrize(("steps", "shared", "expected"), [
    (7_999, True, Reached.NO),
    (8_000, True, Reached.OPENLY),
    (8_000, False, Reached.PRIVATELY),
])  # fmt: skip
def test_reached_is_at_the_goal_itself(steps: int, shared: bool, expected: Reached) -> None:  # noqa: FBT001
    assert Goals(((MONDAY, 8_000),), shared).reached(MONDAY, steps) is expected


def test_without_a_goal_nothing_is_reached() -> None:
    assert NO_GOALS.reached(MONDAY, 100_000) is Reached.NO
    assert Goals(((MONDAY, 100),), shared=True).reached(MONDAY - timedelta(days=1), 100_000) is Reached.NO
