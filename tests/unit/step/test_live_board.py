"""A board that changes tells exactly what a viewer has to be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewalker.step.domain.board import KEPT_CHANGES, Change, LiveBoard
from firewalker.step.domain.leaderboard import Row, Standing, no_data
from tests.unit.step.standings import naive_board, person, standing, standings

NUMBERS = st.integers(1, 12)
BOARDS = st.lists(standings(NUMBERS), unique_by=lambda one: one.user_id, max_size=12)
UPDATES = st.lists(st.tuples(BOARDS, st.sets(NUMBERS, max_size=3)), max_size=12)


def applied(rows: list[Row], change: Change) -> list[Row]:
    """What a client has after *change*: its rows by user, those told put over them."""
    by_user = {row.standing.user_id: row for row in rows}
    for user in change.removed:
        del by_user[user]
    by_user.update({row.standing.user_id: row for row in change.rows})
    return sorted(by_user.values(), key=lambda row: row.standing)


@given(BOARDS, UPDATES)
def test_changes_lead_to_the_board_that_the_rules_say_and_tell_nothing_else(
    first: list[Standing], updates: list[tuple[list[Standing], set[int]]]
) -> None:
    board = LiveBoard(first)
    expected = {one.user_id: one for one in first}
    shown = board.rows()
    for changed, leaving in updates:
        leavers = [person(number).user_id for number in leaving]
        staying = [one for one in changed if one.user_id not in leavers]
        for user in leavers:
            expected.pop(user, None)
        expected.update({one.user_id: one for one in staying})
        before, version = {row.standing.user_id: row for row in shown}, board.version

        change = board.update(staying, leavers)

        assert board.rows() == naive_board(expected.values())
        if change is None:
            assert board.version == version
            assert board.rows() == shown
            continue
        assert board.version == version + 1
        assert all(before.get(row.standing.user_id) != row for row in change.rows)
        shown = applied(shown, change)
        assert shown == board.rows()


@given(BOARDS, UPDATES, st.integers(0, 12))
def test_resuming_from_any_version_leads_to_the_present_board(
    first: list[Standing], updates: list[tuple[list[Standing], set[int]]], stop: int
) -> None:
    board = LiveBoard(first)
    history = [board.rows()]
    for changed, leaving in updates:
        leavers = [person(number).user_id for number in leaving]
        if board.update([one for one in changed if one.user_id not in leavers], leavers) is not None:
            history.append(board.rows())
    seen = min(stop, board.version)
    change = board.since(seen)
    assert change is not None
    missing = {row.standing.user_id for row in history[seen]}
    known_leavers = Change(change.rows, tuple(user for user in change.removed if user in missing))
    assert applied(history[seen], known_leavers) == board.rows()


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
