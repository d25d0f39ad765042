"""What one walker sees of another: the one function that decides it, for every board, stream and answer."""

from dataclasses import dataclass
from enum import IntEnum


class Visibility(IntEnum):
    """How much is seen, from most to least, so that the stricter of two is their maximum."""

    FRIENDS = 0
    """Steps as they are."""
    HIDDEN = 3
    """That the walker exists, and nothing of their steps."""


@dataclass(frozen=True, slots=True)
class Bond:
    """What stands between a viewer and a subject, and what each of them shows the other."""

    friends: bool
    viewer_shows: Visibility = Visibility.FRIENDS
    subject_shows: Visibility = Visibility.FRIENDS


BEFRIENDED = Bond(friends=True)
"""Two friends, neither of whom has set anything."""


def visible(viewer: bytes, subject: bytes, bond: Bond) -> Visibility:
    """What *viewer* sees of *subject*, ids as 16 bytes: the stricter of what each shows the other.

    Whoever hides does not see either. One's own steps are always seen; a stranger's never.
    """
    if viewer == subject:
        return Visibility.FRIENDS
    if not bond.friends:
        return Visibility.HIDDEN
    return max(bond.viewer_shows, bond.subject_shows)
