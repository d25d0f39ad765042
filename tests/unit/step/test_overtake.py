"""When somebody has passed somebody for good."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.step.domain.day import UserTotal
from firewalker.step.domain.overtake import HELD_S, Pursuit, crossed, leads
from firewalker.step.overtakes.pursuits import Pursuits

DAY = date(2026, 5, 20)
ANN, BEN = bytes([1]) * 16, bytes([2]) * 16


@pytest.mark.parametrize(
    ("mine", "theirs", "enough"),
    [(100, 0, True), (599, 500, False), (600, 500, True), (20_199, 20_000, False), (20_200, 20_000, True)],
)
def test_a_lead_is_a_hundred_steps_and_one_percent(mine: int, theirs: int, enough: bool) -> None:  # noqa: FBT001
    assert leads(mine, theirs) is enough


def test_only_who_was_not_in_front_passes_and_nobody_passes_who_has_not_set_out() -> None:
    assert crossed(400, 600, 500)
    assert crossed(500, 600, 500)
    assert not crossed(501, 600, 500)
    assert not crossed(400, 500, 500)
    assert not crossed(0, 600, 0)


steps = st.lists(st.tuples(st.sampled_from([ANN, BEN]), st.integers(0, 300), st.integers(0, 20)), max_size=30)


@given(steps)
def test_a_pursuit_ends_exactly_when_the_lead_was_held(some: list[tuple[bytes, int, int]]) -> None:
    """Against a model that remembers every state, in steps of some seconds."""
    pursuits = Pursuits()
    now, total = 0.0, {ANN: 600, BEN: 550}
    pursuits.begin(Pursuit(DAY, ANN, BEN, 600, 550, until=10_000.0), now)
    lead_since: float | None = None
    alive = True
    for user, more, seconds in some:
        now += seconds
        found = pursuits.held(now)
        due = alive and lead_since is not None and now - lead_since >= HELD_S
        assert bool(found) is due
        alive = alive and not due
        total[user] += more
        pursuits.hear(DAY, [(user, UserTotal(total[user], 0, 0))], now)
        alive = alive and total[ANN] > total[BEN]
        if not leads(total[ANN], total[BEN]):
            lead_since = None
        elif lead_since is None:
            lead_since = now
        assert len(pursuits) == int(alive)


def test_what_is_held_for_review_passes_nobody() -> None:
    pursuits = Pursuits()
    pursuits.begin(Pursuit(DAY, ANN, BEN, 900, 550, until=100.0), 0.0)
    pursuits.hear(DAY, [(ANN, UserTotal(70_000, 0, 0, held=True))], 1.0)
    assert pursuits.held(60.0) == []


def test_pursuits_are_bounded_and_end_with_the_day() -> None:
    pursuits = Pursuits(most=1)
    for walker in (ANN, BEN):
        pursuits.begin(Pursuit(DAY, walker, bytes(16), 900, 550, until=100.0), 0.0)
    assert len(pursuits) == 1
    pursuits.forget(100.0)
    assert len(pursuits) == 0
    assert pursuits._of == {}
