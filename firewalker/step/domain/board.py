"""A board that changes: what an update does to the order, and what changed since an earlier version. Pure.

Not here: who watches a board, and when frames go out (`step/boards`).
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, KeysView, Sequence
from dataclasses import dataclass
from itertools import islice

from firewalker.step.domain.leaderboard import Row, Standing, rank_all, rank_in, ranks

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
        # Tuples, not sets: a tenth of the memory, and the garbage collector need not follow them.
        self._touched: deque[tuple[bytes, ...]] = deque(maxlen=KEPT_CHANGES)

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
        left = [by_user.pop(user) for user in gone]
        by_user.update({new.user_id: new for _, new in moves})
        rows = self._reorder(moves, left)
        return self._changed(rows, gone) if rows or gone else None

    def _reorder(self, moves: Sequence[tuple[Standing | None, Standing]], left: Sequence[Standing]) -> list[Row]:
        """Put everybody in their places again; the rows that look different, best first.

        Only between the least and the most steps among the old and new standings can there be any; who is not on the
        board before or afterwards counts as being behind all others then.
        """
        order, by_user = self._order, self._by_user
        moved = {new.user_id: old for old, new in moves}
        ends = [*moved.values(), *(new for _, new in moves), *left, *(None for _ in left)]
        points = [_LAST if one is None or one.unranked else one.behind for one in ends]
        start = bisect_left(order, (0, min(points)))
        stop = len(order) if max(points) == _LAST else bisect_left(order, (0, max(points) + 1))
        before = order[start:stop]
        after = [by_user[one.user_id] for one in before if one.user_id in by_user]
        after += [new for old, new in moves if old is None]
        after.sort()
        order[start:stop] = after
        was = dict(zip([one.user_id for one in before], ranks(before, start), strict=True))
        rows = []
        for standing, rank in zip(after, ranks(after, start), strict=True):
            if rank == was.get(standing.user_id):
                old = moved.get(standing.user_id)
                if old is None or standing.conceals(old):
                    continue
            rows.append(Row(rank, standing))
        return rows

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
        self._touched.append((*[row.standing.user_id for row in rows], *gone))
        return Change(tuple(rows), gone)

    def since(self, version: int) -> Change | None:
        """What changed after *version*, folded into one change; None if that is too long ago or never was."""
        steps = self.version - version
        if not 0 <= steps <= len(self._touched):
            return None
        touched = set[bytes]().union(*islice(reversed(self._touched), steps))
        present = sorted(standing for user in touched if (standing := self._by_user.get(user)) is not None)
        rows = tuple(Row(rank_in(self._order, standing), standing) for standing in present)
        return Change(rows, tuple(sorted(touched - self._by_user.keys())))
