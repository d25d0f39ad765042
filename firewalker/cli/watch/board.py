"""What a watching client knows of a board: the last snapshot with every change since. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firewalker.gen.pb.firewalker.step.v1 import (
        Leaderboard,
        LeaderboardEntry,
        WatchFriendLeaderboardResponse,
    )

ARROW_S = 10.0
"""How long a row shows that it moved."""

UNRANKED = 1 << 30
"""Sorts rows without a rank behind all others."""


@dataclass(frozen=True, slots=True)
class Move:
    """A change of rank: how far up (positive) or down, and when."""

    by: int
    at: float


class Board:
    """A board as it stands. `apply` takes the answers of the watch stream in, in their order."""

    def __init__(self) -> None:
        self.date = ""
        """The civil date shown; empty before the first snapshot."""
        self.version = ""
        """What to resume from; empty before the first answer."""
        self._rows: dict[str, LeaderboardEntry] = {}
        self._moves: dict[str, Move] = {}

    def apply(self, update: WatchFriendLeaderboardResponse, now: float) -> bool:
        """Take *update* in; True if it changed the board. *now* is any clock that moves on in seconds."""
        if update.snapshot is not None:
            self._replace(update.snapshot, now)
            return True
        if update.changes is not None:
            for user_id in update.changes.removed_user_ids:
                self._rows.pop(user_id, None)
                self._moves.pop(user_id, None)
            self._put(update.changes.entries, now)
            self.version = update.changes.version
            return True
        if update.heartbeat is not None:
            self.version = update.heartbeat.version
        elif update.end is not None:
            self.version = update.end.version or self.version
        return False

    def rows(self) -> list[LeaderboardEntry]:
        """The rows in order. Rows of one rank stay in the order in which they came: the server sends ties in theirs."""
        return sorted(self._rows.values(), key=lambda row: row.rank or UNRANKED)

    def moved(self, user_id: str, now: float) -> int:
        """How many ranks the user went up (down if negative) within the last 10 s."""
        move = self._moves.get(user_id)
        return move.by if move is not None and now - move.at <= ARROW_S else 0

    def forget(self) -> None:
        """Start again from nothing: the board is of a date that is over."""
        self.date = self.version = ""
        self._rows.clear()
        self._moves.clear()

    def _replace(self, snapshot: Leaderboard, now: float) -> None:
        before = self._rows if snapshot.date == self.date else {}
        self._rows = {row.user_id: before[row.user_id] for row in snapshot.entries if row.user_id in before}
        self._put(snapshot.entries, now)
        self._rows = {row.user_id: row for row in snapshot.entries}
        self.date, self.version = snapshot.date, snapshot.version

    def _put(self, entries: Iterable[LeaderboardEntry], now: float) -> None:
        for row in entries:
            before = self._rows.get(row.user_id)
            if before is not None and before.rank and row.rank and before.rank != row.rank:
                self._moves[row.user_id] = Move(before.rank - row.rank, now)
            if before is not None and (before.rank, before.steps) != (row.rank, row.steps):
                del self._rows[row.user_id]  # who gets to a rank comes behind those who are there
            self._rows[row.user_id] = row
