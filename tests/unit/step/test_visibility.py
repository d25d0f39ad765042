"""Who sees what of whom."""

import pytest

from firewalker.step.domain.visibility import BEFRIENDED, Bond, Visibility, steps_seen, visible

ME, OTHER = b"\0" * 16, b"\1" * 16


def test_friends_see_each_others_steps() -> None:
    assert visible(ME, OTHER, BEFRIENDED) is Visibility.FRIENDS


@pytest.mark.requirement("PRIV-01")
def test_strangers_see_nothing_whatever_they_show() -> None:
    assert visible(ME, OTHER, Bond(friends=False)) is Visibility.HIDDEN


@pytest.mark.requirement("PRIV-01")
@pytest.mark.parametrize("viewer", Visibility)
@pytest.mark.parametrize("subject", Visibility)
def test_the_stricter_of_both_sides_holds_for_both(viewer: Visibility, subject: Visibility) -> None:
    seen = visible(ME, OTHER, Bond(True, viewer, subject))  # noqa: FBT003
    assert seen is visible(OTHER, ME, Bond(True, subject, viewer)) is max(viewer, subject)  # noqa: FBT003


@pytest.mark.requirement("PRIV-01")
def test_a_block_hides_from_friends_and_group_members_alike() -> None:
    assert visible(ME, OTHER, Bond(friends=True, blocked=True)) is Visibility.HIDDEN
    assert visible(ME, OTHER, Bond(friends=False, blocked=True).in_group()) is Visibility.HIDDEN


@pytest.mark.requirement("PRIV-01")
def test_a_shared_group_counts_like_friendship_with_the_settings_of_both() -> None:
    bond = Bond(friends=False, viewer_shows=Visibility.ROUNDED, subject_shows=Visibility.RANK_ONLY)
    assert visible(ME, OTHER, bond) is Visibility.HIDDEN
    assert visible(ME, OTHER, bond.in_group()) is Visibility.RANK_ONLY


@pytest.mark.parametrize(
    ("steps", "seen"),
    [(0, (0, 0, 0, 0)), (499, (499, 0, 0, 0)), (500, (500, 500, 0, 0)), (7_999, (7_999, 7_500, 0, 0))],
)
def test_counts_are_rounded_down_or_left_out(steps: int, seen: tuple[int, ...]) -> None:
    assert tuple(steps_seen(steps, visibility) for visibility in Visibility) == seen


def test_ones_own_steps_are_always_seen() -> None:
    hidden = Bond(friends=False, viewer_shows=Visibility.HIDDEN, subject_shows=Visibility.HIDDEN)
    assert visible(ME, ME, hidden) is Visibility.FRIENDS
