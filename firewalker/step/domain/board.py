"""A board that changes: what an update does to the order, and what changed since an earlier version. Pure.

Not here: who watches a board, and when frames go out (`step/boards`).
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, KeysView, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from firewalker.step.domain.leaderboard import Row, Standing, rank_all, rank_in

_Moves: TypeAlias = Sequence[tuple[Standing | None, Standing | None]]

KEPT_CHANGES = 64
"""How many versions back a watcher can resume. At one a second at most, over a minute of a busy board."""


_LAST = 1 << 40
"""Behind every number of steps: where standings without a rank count as being."""


@dataclass(frozen=True, slots=True)
class Change:
    """What makes an older version of a board a newer one: rows that are new or different, and users who are gone."""

    rows: tuple[Row, ...]
    removed: tuple[bytes, ...]


class LiveBoard:
    """The standings of one board, kept in order, with the user ids that its last versions touched.

    A version is a count from 0. The cost of an update grows with the ranks it moves, not with the board: a walker who
    gains steps without passing anybody costs a few binary searches.
    """

    __slots__ = ("_by_user", "_order", "_touched", "version")

    def __init__(self, standings: Iterable[Standing]) -> None:
        self.version = 0
        self._order = sorted(standings)
        self._by_user = {standing.user_id: standing for standing in self._order}
        self._touched: deque[frozenset[bytes]] = deque(maxlen=KEPT_CHANGES)

    def rows(self) -> list[Row]:
        """The whole board, best first."""
        return rank_all(self._order)

    def users(self) -> KeysView[bytes]:
        """The ids of everybody on it."""
        return self._by_user.keys()

    def update(self, changed: Iterable[Standing], removed: Iterable[bytes] = ()) -> Change | None:
        """Put *changed* in place of their users' standings, drop those of the users *removed*; no user in both.

        Answers what a viewer has to be told, rank shifts of others included, and counts the version up; None, with the
        version as it was, if nothing that is shown is different.
        """
        by_user = self._by_user
        moves = [(old, new) for new in changed if (old := by_user.get(new.user_id)) != new]
        gone = tuple(user for user in removed if user in by_user)
        if not moves and not gone:
            return None
        if len(moves) == 1 and not gone:
            old, new = moves[0]
            if old is not None and self._stays_in_place(old, new):
                return None if new.conceals(old) else self._changed([Row(rank_in(self._order, new), new)], gone)
        moves_out = [*moves, *((by_user[user], None) for user in gone)]
        before, after = self._order, self._order.copy()
        for old, _ in moves_out:
            if old is not None:
                del after[bisect_left(after, old)]
        for user in gone:
            del by_user[user]
        for _, new in moves:
            insort(after, new)
            by_user[new.user_id] = new
        rows = _shifted(before, after, moves_out)
        rows += [
            Row(rank_in(after, new), new)
            for old, new in moves
            if old is None or not new.conceals(old) or rank_in(after, new) != rank_in(before, old)
        ]
        self._order = after
        if not rows and not gone:
            return None
        rows.sort(key=_by_standing)
        return self._changed(rows, gone)

    def _stays_in_place(self, old: Standing, new: Standing) -> bool:
        """Put *new* where *old* is if that shifts no other rank, as nearly every step does; else leave all as it is.

        Nobody may be passed, and who comes next may be level with neither: from a tie they would fall back or move up.
        """
        order = self._order
        place = bisect_left(order, old)
        if place and order[place - 1] > new:
            return False
        if place + 1 < len(order):
            following = order[place + 1]
            if following < new or following.behind in (old.behind, new.behind) or old.unranked != new.unranked:
                return False
        order[place] = self._by_user[new.user_id] = new
        return True

    def _changed(self, rows: list[Row], gone: tuple[bytes, ...]) -> Change:
        self.version += 1
        self._touched.append(frozenset([*(row.standing.user_id for row in rows), *gone]))
        return Change(tuple(rows), gone)

    def since(self, version: int) -> Change | None:
        """What changed after *version*, folded into one change; None if that is too long ago or never was."""
        steps = self.version - version
        if not 0 <= steps <= len(self._touched):
            return None
        touched = frozenset[bytes]().union(*islice(reversed(self._touched), steps))
        present = sorted(standing for user in touched if (standing := self._by_user.get(user)) is not None)
        rows = tuple(Row(rank_in(self._order, standing), standing) for standing in present)
        return Change(rows, tuple(sorted(touched - self._by_user.keys())))


def _shifted(before: list[Standing], after: list[Standing], moves: _Moves) -> list[Row]:
    """The rows of *after* whose own standing is as in *before* but whose rank is not.

    Only between the least and the most steps among the old and new standings of *moves* can a rank differ.
    """
    points = [
        _LAST if standing is None or standing.unranked else standing.behind for move in moves for standing in move
    ]
    low, high = (0, min(points)), (0, max(points) + 1)
    was = {
        row.standing.user_id: row.rank for row in rank_all(before, bisect_left(before, low), bisect_left(before, high))
    }
    for move in moves:
        for standing in move:
            if standing is not None:
                was.pop(standing.user_id, None)
    now = rank_all(after, bisect_left(after, low), bisect_left(after, high))
    return [row for row in now if was.get(row.standing.user_id, row.rank) != row.rank]


def _by_standing(row: Row) -> Standing:
    return row.standing
