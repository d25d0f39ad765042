"""What one user sees of another's steps: the one function that decides it, for every service, board, stream and answer."""

from dataclasses import dataclass, replace
from enum import IntEnum


class Visibility(IntEnum):
    """How much is seen, from most to least, so that the stricter of two is their maximum."""

    FRIENDS = 0
    """Steps as they are."""
    ROUNDED = 1
    """Steps rounded down to 500; the rank as it is."""
    RANK_ONLY = 2
    """The rank, and nothing else of the steps."""
    HIDDEN = 3
    """That the walker exists, and nothing of their steps."""


@dataclass(frozen=True, slots=True)
class Bond:
    """What stands between a viewer and a subject, and what each of them shows the other."""

    friends: bool
    viewer_shows: Visibility = Visibility.FRIENDS
    subject_shows: Visibility = Visibility.FRIENDS
    blocked: bool = False
    """Whether either has blocked the other."""

    def in_group(self) -> "Bond":
        """The same two on the boards and in the statistics of a group that both are members of: like friends there."""
        return self if self.friends else replace(self, friends=True)


def visible(viewer: bytes, subject: bytes, bond: Bond) -> Visibility:
    """What *viewer* sees of *subject*, ids as 16 bytes: the stricter of what each shows the other.

    Whoever hides does not see either. One's own steps are always seen; a stranger's never, and nothing across a block.
    """
    if viewer == subject:
        return Visibility.FRIENDS
    if bond.blocked or not bond.friends:
        return Visibility.HIDDEN
    return max(bond.viewer_shows, bond.subject_shows)
