"""A board that changes tells exactly what a viewer has to be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.step.domain.board import KEPT_CHANGES, Change, LiveBoard
from firewalker.step.domain.leaderboard import Standing, as_seen, no_data
from firewalker.step.domain.visibility import Visibility
from tests.unit.step.standings import looks, naive_board, person, standing, standings

NUMBERS = st.integers(1, 12)
BOARDS = st.lists(standings(NUMBERS), unique_by=lambda one: one.user_id, max_size=12)
UPDATES = st.lists(st.tuples(BOARDS, st.sets(NUMBERS, max_size=3)), max_size=12)


Looks = dict[bytes, tuple[object, ...]]


def applied(shown: Looks, change: Change) -> Looks:
    """What a client has after *change*: its rows by user, those told put over them."""
    by_user = dict(shown)
    for user in change.removed:
        del by_user[user]
    return by_user | looks(change.rows)


@given(BOARDS, UPDATES)
def test_changes_lead_to_the_board_that_the_rules_say_and_tell_nothing_else(
    first: list[Standing], updates: list[tuple[list[Standing], set[int]]]
) -> None:
    board = LiveBoard(first)
    expected = {one.user_id: one for one in first}
    shown = looks(board.rows())
    for changed, leaving in updates:
        leavers = [person(number).user_id for number in leaving]
        staying = [one for one in changed if one.user_id not in leavers]
        for user in leavers:
            expected.pop(user, None)
        expected.update({one.user_id: one for one in staying})
        version = board.version

        change = board.update(staying, leavers)

        assert board.rows() == naive_board(expected.values())
        if change is None:
            assert board.version == version
            assert looks(board.rows()) == shown
            continue
        assert board.version == version + 1
        before, shown = shown, applied(shown, change)
        assert shown == looks(board.rows())
        for row in change.rows:
            told = before.get(row.standing.user_id) != shown[row.standing.user_id]
            assert told or row.standing.sight is Visibility.FRIENDS


@given(BOARDS, UPDATES, st.integers(0, 12))
def test_resuming_from_any_version_leads_to_the_present_board(
    first: list[Standing], updates: list[tuple[list[Standing], set[int]]], stop: int
) -> None:
    board = LiveBoard(first)
    history = [looks(board.rows())]
    for changed, leaving in updates:
        leavers = [person(number).user_id for number in leaving]
        if board.update([one for one in changed if one.user_id not in leavers], leavers) is not None:
            history.append(looks(board.rows()))
    seen = min(stop, board.version)
    change = board.since(seen)
    assert change is not None
    known_leavers = Change(change.rows, tuple(user for user in change.removed if user in history[seen]))
    assert applied(history[seen], known_leavers) == looks(board.rows())


@pytest.mark.requirement("PRIV-01")
@pytest.mark.parametrize(("visibility", "told"), [(Visibility.ROUNDED, [500]), (Visibility.RANK_ONLY, [])])
def test_steps_that_are_not_shown_are_not_betrayed_by_a_frame(visibility: Visibility, told: list[int]) -> None:
    board = LiveBoard([standing(1, 5_000), as_seen(standing(2, 0), visibility)])
    changes = [board.update([as_seen(standing(2, steps), visibility)]) for steps in range(0, 1_000, 100)]
    assert [row.standing.steps for change in changes if change for row in change.rows] == told
    passing = board.update([as_seen(standing(2, 5_400), visibility)])
    assert passing is not None
    assert [(row.rank, row.standing.person.nickname) for row in passing.rows] == [(1, "walker 2"), (2, "walker 1")]


def test_a_walker_who_passes_nobody_moves_nobody() -> None:
    board = LiveBoard(standing(number, 1_000 * number) for number in range(1, 200))
    change = board.update([standing(100, 100_500)])
    assert change is not None
    assert [row.standing.person.nickname for row in change.rows] == ["walker 100"]


def test_passing_somebody_tells_both_ranks() -> None:
    board = LiveBoard([standing(1, 300), standing(2, 200), standing(3, 100)])
    change = board.update([standing(3, 250)])
    assert change is not None
    assert [(row.rank, row.standing.person.nickname) for row in change.rows] == [(2, "walker 3"), (3, "walker 2")]


def test_what_is_said_again_is_no_change() -> None:
    board = LiveBoard([standing(1, 300), no_data(person(2))])
    assert board.update([standing(1, 300), no_data(person(2))], [person(9).user_id]) is None
    assert board.version == 0


def test_versions_too_old_or_never_told_lead_nowhere() -> None:
    board = LiveBoard([standing(1, 0)])
    for steps in range(1, KEPT_CHANGES + 2):
        board.update([standing(1, steps)])
    assert board.since(0) is None
    assert board.since(1) is not None
    assert board.since(board.version) == Change((), ())
    assert board.since(board.version + 1) is None
    assert board.since(-1) is None


@pytest.mark.parametrize("friends", [5, 500])
def test_many_versions_fold_into_one_row_per_walker(friends: int) -> None:
    board = LiveBoard(standing(number, 100_000 * number) for number in range(1, friends + 1))
    for steps in range(1, 40):
        board.update([standing(1, 100_000 + steps)])
    change = board.since(0)
    assert change is not None
    assert [row.standing.behind for row in change.rows] == [-100_039]
