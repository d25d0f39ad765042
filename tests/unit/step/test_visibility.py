"""Who sees what of whom."""

import pytest

from firewalker.step.domain.visibility import BEFRIENDED, Bond, Visibility, visible

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


def test_ones_own_steps_are_always_seen() -> None:
    hidden = Bond(friends=False, viewer_shows=Visibility.HIDDEN, subject_shows=Visibility.HIDDEN)
    assert visible(ME, ME, hidden) is Visibility.FRIENDS
