"""What a watched board is made from: whose board of which dates it is, who is on it, and what they have walked."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, Protocol

from firewalker.kernel.ids import UserId
from firewalker.step.boards.subjects import Subjects
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.group import GroupCircle, GroupId
from firewalker.step.domain.period import Period
from firewalker.step.live.known import KnownTotals
from firewalker.step.usecases.circles import Circles
from firewalker.step.usecases.group_boards import GroupBoards, open_from


class BoardKey(NamedTuple):
    """Which of a viewer's boards."""

    group: bytes
    """The group's 16 bytes; empty for the board of friends."""
    period: Period
    first: date


class Source(Protocol):
    """Where a board comes from."""

    viewer: UserId
    key: BoardKey

    async def circle(self) -> Circle:
        """Who is on the board now. Raises GroupNotFound if it is not the viewer's any more."""

    def is_current(self, circle: Circle) -> bool:
        """Whether nothing is known to have changed since *circle* was read."""

    async def look_up(self, subjects: Subjects, circle: Circle, users: Sequence[bytes]) -> None:
        """Tell *subjects* what *users* have walked."""


class FriendSource:
    """A walker and their friends on one date."""

    def __init__(self, viewer: UserId, day: date, circles: Circles, known: KnownTotals) -> None:
        self.viewer = viewer
        self.key = BoardKey(b"", Period.DAY, day)
        self._circles = circles
        self._known = known

    async def circle(self) -> Circle:
        """See `Source`."""
        return await self._circles.of(self.viewer)

    def is_current(self, circle: Circle) -> bool:
        """See `Source`."""
        return self._circles.is_current(self.viewer, circle)

    async def look_up(self, subjects: Subjects, circle: Circle, users: Sequence[bytes]) -> None:  # noqa: ARG002 - see `Source`
        """See `Source`."""
        day = self.key.first
        subjects.settle(day, users, await self._known.read(day, users))


class GroupSource:
    """The members of a group in one period."""

    def __init__(self, viewer: UserId, group_id: GroupId, circle: GroupCircle, boards: GroupBoards) -> None:
        self.viewer = viewer
        self.key = BoardKey(group_id.bytes, circle.period, circle.span.first)
        self._group_id = group_id
        self._boards = boards

    async def circle(self) -> GroupCircle:
        """See `Source`."""
        return await self._boards.circle_again(self.viewer, self._group_id, self.key.period, self.key.first)

    def is_current(self, circle: Circle) -> bool:  # noqa: ARG002 - see `Source`
        """Not known: it is read once more, which costs little while it is kept; of an old day, a statement for its goals."""
        return False

    async def look_up(self, subjects: Subjects, circle: Circle, users: Sequence[bytes]) -> None:
        """See `Source`."""
        assert isinstance(circle, GroupCircle)  # noqa: S101 - that of `circle` above
        first_open, unsettlings = open_from(subjects.utc()), subjects.unsettlings(circle, users)
        read = await self._boards.walked(circle, users, first_open)
        if self.key.period is Period.DAY:
            found = {user: walked.open.get(self.key.first, walked.settled) for user, walked in read.items()}
            totals = {user: total for user, total in found.items() if total is not None}
            subjects.settle(self.key.first, users, totals)
        else:
            subjects.settle_tallies(circle, unsettlings, read, first_open)
