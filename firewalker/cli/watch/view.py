"""How a board is drawn: a table that moves in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from firewalker.cli.terminal import number
from firewalker.cli.watch.follow import Link
from firewalker.gen.pb.firewalker.step.v1 import LeaderboardEntryFreshness, LeaderboardEntryState

if TYPE_CHECKING:
    from firewalker.cli.watch.board import Board
    from firewalker.gen.pb.firewalker.step.v1 import LeaderboardEntry

BAR_WIDTH = 30

EIGHTHS = " ▏▎▍▌▋▊▉█"

FRESHNESS = {
    LeaderboardEntryFreshness.LIVE: ("●", "green"),
    LeaderboardEntryFreshness.RECENT: ("●", "yellow"),
    LeaderboardEntryFreshness.STALE: ("○", "dim"),
}

WITHOUT_RANK = {
    LeaderboardEntryState.NO_DATA: "no steps yet",
    LeaderboardEntryState.HIDDEN: "hidden",
    LeaderboardEntryState.UNDER_REVIEW: "under review",
}


def table(board: Board, link: Link, most_rows: int) -> Table:
    """*board* as a table of at most *most_rows* rows; the watching user's own row is always among them."""
    now = time.monotonic()
    rows = board.rows()
    title = f"Friends on {board.date}" if board.date else "Friends"
    if link is Link.LOST:
        title = f"{title}: {link.value}"
    drawn = Table(title=title, box=None, header_style="dim", title_style="bold")
    drawn.add_column("#", justify="right", no_wrap=True)
    drawn.add_column("", no_wrap=True)
    drawn.add_column("", no_wrap=True)
    drawn.add_column("steps", justify="right", no_wrap=True)
    drawn.add_column("", width=BAR_WIDTH, no_wrap=True)
    drawn.add_column("", no_wrap=True)
    most = max((row.steps for row in rows), default=0)
    for row in _fitting(rows, most_rows):
        drawn.add_row(*_cells(row, board.moved(row.user_id, now), most), style="bold" if row.me else "")
    if len(rows) > most_rows:
        drawn.add_row("", "", f"… {len(rows)} in all", style="dim")
    return drawn


def plain(board: Board) -> str:
    """*board*, at most ten rows of it, in one line: ``2026-03-01: 1 Jisoo 8120, 2 me 7 900``."""
    rows = _fitting(board.rows(), 10)
    told = (f"{row.rank or '-'} {row.nickname}{'*' if row.me else ''} {row.steps}" for row in rows)
    return f"{board.date}: " + ", ".join(told)


def _fitting(rows: list[LeaderboardEntry], most: int) -> list[LeaderboardEntry]:
    shown = rows[:most]
    mine = [row for row in rows[most:] if row.me]
    return shown[: most - len(mine)] + mine


def _cells(row: LeaderboardEntry, moved: int, most: int) -> list[Text]:
    dot, colour = FRESHNESS.get(row.freshness, (" ", "dim"))
    arrow = Text(f"▲{moved}", "green") if moved > 0 else Text(f"▼{-moved}", "red") if moved < 0 else Text("  ")
    if row.state is not LeaderboardEntryState.RANKED:
        told = WITHOUT_RANK.get(row.state, "")
        return [Text("-", "dim"), arrow, Text(row.nickname), Text(""), Text(told, "dim"), Text(dot, colour)]
    bar = Text(_bar(row.steps / most if most else 0.0), "cyan" if row.me else "blue")
    return [Text(str(row.rank)), arrow, Text(row.nickname), Text(number(row.steps)), bar, Text(dot, colour)]


def _bar(share: float) -> str:
    eighths = round(share * BAR_WIDTH * 8)
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
