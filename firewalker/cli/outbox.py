"""`firewalker outbox`: what the services still have to tell each other, and putting back what was set aside."""

from __future__ import annotations

from rich.table import Table

from firewalker.cli.services import mysql_urls
from firewalker.cli.terminal import CommandError, number, out
from firewalker.kernel.faults import Fault
from firewalker.runtime.outbox import inspection


async def show() -> None:
    """Print how each destination stands, and why facts were set aside.

    Raises:
        CommandError: A database cannot be reached.
    """
    table = Table("from", "to", "waiting", "oldest", "set aside", box=None, header_style="dim")
    reasons = []
    for service, url in mysql_urls().items():
        for lane in await _looked(url):
            counts = lane.counts
            oldest = f"{counts.oldest_s:.0f} s" if counts.waiting else ""
            aside = f"[red]{number(counts.set_aside)}[/]" if counts.set_aside else "0"
            table.add_row(service, lane.destination, number(counts.waiting), oldest, aside)
            reasons += [
                f"{number(found.facts)} {found.kind} to {lane.destination}: {found.error}, since {found.oldest:%Y-%m-%d %H:%M}"
                for found in lane.reasons
            ]
    out.print(table)
    for reason in reasons:
        out.print(reason, markup=False)
    if reasons:
        out.print("Once this is mended: firewalker outbox replay", style="dim")


async def replay(destination: str | None) -> None:
    """Put back what was set aside for *destination*, for all if None.

    Raises:
        CommandError: Nothing goes there, or a database cannot be reached.
    """
    replayed: dict[str, int] = {}
    for url in mysql_urls().values():
        known = {lane.destination for lane in await _looked(url)}
        if destination is None or destination in known:
            try:
                replayed |= await inspection.replay(url, destination)
            except (Fault, OSError) as problem:
                raise CommandError(_away(problem)) from None
    if destination is not None and destination not in replayed:
        message = f"Nothing goes to {destination!r}."
        raise CommandError(message)
    for name, count in replayed.items():
        out.print(f"{name}: {number(count)} put back")


async def _looked(url: str) -> list[inspection.LaneState]:
    try:
        return await inspection.look(url)
    except (Fault, OSError) as problem:
        raise CommandError(_away(problem)) from None


def _away(problem: Exception) -> str:
    return f"A database cannot be reached: {problem}"
