"""How a walk is shown: a bar while it goes on (a line now and then where there is no terminal), a summary after it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from firewalker.cli.terminal import err, number

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

    from firewalker.cli.walk.course import Outcome
    from firewalker.cli.walk.meters import Meters

LINE_EVERY_S = 5.0

MOST_SHOWN = 10
"""Of a list of problems."""


def line(meters: Meters) -> str:
    """The state of *meters* in one line."""
    parts = [
        f"{meters.rate():7.1f} readings/s",
        f"ack p50 {_ms(meters.latencies.quantile(0.5))} p99 {_ms(meters.latencies.quantile(0.99))}",
        f"{meters.streams} streams",
        f"{number(meters.rejected.total())} rejected",
        f"{meters.reconnects.total()} reconnects",
    ]
    return "  ".join(parts)


class WalkDisplay:
    """The display of a running walk, on standard error."""

    def __init__(self, console: Console = err) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:>14}"), BarColumn(bar_width=24), TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(), console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task: TaskID | None = None
        self._phase = ""
        self._next_line = 0.0

    def __enter__(self) -> Self:
        """Show it."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state standing."""
        self._progress.stop()

    def say(self, phase: str, done: float, total: float, facts: str = "") -> None:
        """Show that *done* of *total* of *phase* is over."""
        if phase != self._phase or self._task is None:
            self._phase = phase
            self._task = self._progress.add_task(phase, total=total, facts=facts)
            self._next_line = 0.0
        self._progress.update(self._task, completed=done, total=total, facts=facts or f"{done:.0f}/{total:.0f}")
        if not self._console.is_terminal and (time.monotonic() >= self._next_line or done >= total):
            self._next_line = time.monotonic() + LINE_EVERY_S
            self._console.print(f"{phase} {done:.0f}/{total:.0f}  {facts}".rstrip(), soft_wrap=True)


def summary(meters: Meters, outcome: Outcome, seconds: float) -> Table:
    """The table after a walk."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    rate = meters.readings / seconds if seconds else 0.0
    table.add_row("readings acknowledged", f"{number(meters.readings)} in {number(meters.messages)} messages")
    table.add_row("on average", f"{rate:.1f} readings/s")
    table.add_row("acknowledged within", _quantiles(meters))
    table.add_row("rejected", _by_reason(meters.rejected))
    table.add_row("streams interrupted", _by_reason(meters.reconnects))
    table.add_row("ledger", _verdict(outcome))
    for nickname, wrong in outcome.discrepancies[:MOST_SHOWN]:
        facts = f"{wrong.date}: shown {wrong.shown}, acknowledged {wrong.acknowledged}, sent {wrong.sent}"
        table.add_row("", f"[red]{nickname}, {facts}")
    for nickname, why in list(outcome.failed.items())[:MOST_SHOWN]:
        table.add_row("", f"[red]{nickname}: {why}")
    return table


def _verdict(outcome: Outcome) -> str:
    if outcome.good:
        return f"[green]all acknowledged readings are on the boards[/] ({outcome.days} days checked)"
    problems = f"{len(outcome.discrepancies)} of {outcome.days} days differ, {outcome.unacknowledged} messages"
    return f"[red]{problems} without an answer, {len(outcome.failed)} walkers failed"


def _quantiles(meters: Meters) -> str:
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return "  ".join(f"{name} {_ms(meters.latencies.quantile(share)).strip()}" for name, share in shares.items())


def _by_reason(counts: dict[str, int]) -> str:
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    return f"{sum(counts.values())} ({told})" if told else "0"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:5.1f} ms"
