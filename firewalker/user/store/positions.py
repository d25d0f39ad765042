"""Places in lists that are ordered by a time and an id, and the rows that stand there."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from firewalker.kernel.faults import PageTokenInvalid
from firewalker.kernel.ids import parse_uuid


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: behind the row with this time and this id."""

    since: datetime
    other: UUID

    @property
    def text(self) -> str:
        """The position as a cursor."""
        return f"{self.since.isoformat()} {self.other}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read a cursor back.

        Raises:
            PageTokenInvalid: It is none of this list's.
        """
        since, _, other = text.partition(" ")
        other_id = parse_uuid(other)
        try:
            at = datetime.fromisoformat(since)
        except ValueError:
            raise PageTokenInvalid from None
        if other_id is None or at.tzinfo is None:
            raise PageTokenInvalid
        return cls(at, other_id)


OLDEST = Position(datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))
"""Where a list with the oldest first begins."""

NEWEST = Position(datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))
"""Where a list with the newest first begins."""


class Placed(Protocol):
    """A row of a list."""

    @property
    def cursor(self) -> str:
        """Where the list goes on behind this row, as text."""
