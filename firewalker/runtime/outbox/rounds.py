"""What becomes of facts that are tried one by one: how many arrive, and over which of the others there is a doubt."""

from collections.abc import Collection, Sequence

from firewalker.runtime.outbox import lane as lanes
from firewalker.runtime.outbox.lane import Row

PROBES = 20
"""So many facts are tried one by one, with none arriving, until the destination is taken to be the one that fails."""

LATE_PROBES = 5
"""So many in a row may come too late: those cost 5 s each. The next round looks behind them."""


class Round:
    """One round of them."""

    def __init__(self, rows: Sequence[Row], unanswered: Collection[int]) -> None:
        """*unanswered*: positions of those that came too late in the rounds before this one, with none arriving since.

        The first of *rows* is tried all the same: where the receiver was to blame, it goes first once that is over.
        """
        self.deadly = [row for row in rows if row.attempts >= lanes.MAX_ATTEMPTS]
        """Attempts that were not the fact's fault are taken back: so many are left only where processes ended in them."""
        rows = [row for row in rows if row.attempts < lanes.MAX_ATTEMPTS]
        fresh = [row for row in rows[1:] if row.position not in unanswered]
        self.rows: Sequence[Row] = [*rows[:1], *fresh] if fresh else rows
        """What is to be tried."""
        self._passed = [row for row in rows[1:] if row.position in unanswered] if fresh else []
        self.arrived = 0
        self.doubtful: list[tuple[Row, str]] = []
        """Over which the receiver failed, and how."""
        self.late: list[Row] = []
        """For which there was no answer in time, with none arriving since."""

    @property
    def hopeless(self) -> bool:
        """Whether the receiver seems to be the one that fails, whatever it is given."""
        return len(self.late) >= LATE_PROBES or (not self.arrived and len(self.doubtful) >= PROBES)

    @property
    def unanswered(self) -> frozenset[int]:
        """The positions of those that came too late, in this round or before it, with none arriving since."""
        return frozenset(row.position for row in (*self._passed, *self.late))

    def take_unanswered(self) -> Sequence[Row]:
        """One has arrived: those, in their order, to be tried once more."""
        rows = sorted((*self._passed, *self.late), key=lambda row: row.position)
        self._passed, self.late = [], []
        return rows


class Refused(Exception):
    """One of the facts was not taken; *doubtful*: or none would have been."""

    def __init__(self, by: str, *, doubtful: bool = False) -> None:
        super().__init__(by)
        self.by = by
        self.doubtful = doubtful
