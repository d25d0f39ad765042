"""`firewalker deliveries`: pushes that are on their way, and those that were given up."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table

from firewalker.cli.services import mysql_urls
from firewalker.cli.terminal import CommandError, number, out
from firewalker.kernel.clock import SystemClock
from firewalker.kernel.faults import Fault
from firewalker.notification.domain.notification import Lane
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.usecases.backlog import Backlog
from firewalker.runtime.mysql import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def show() -> None:
    """Print how much is due by stage and lane, and what was given up.

    Raises:
        CommandError: The database cannot be reached.
    """
    table = Table("stage", "lane", "due", "oldest", box=None, header_style="dim")
    async with _backlog() as backlog:
        now = datetime.now(UTC)
        for stage, found in (("to plan", await backlog.of_pushes()), ("to send", await backlog.of_deliveries())):
            for lane in Lane:
                due, oldest = found.get(lane, (0, None))
                waits = f"{(now - oldest).total_seconds():.0f} s" if oldest else ""
                table.add_row(stage, lane.name.lower(), number(due), waits)
        dead = await backlog.dead()
    out.print(table)
    for found_dead in dead:
        line = f"{number(found_dead.number)} {found_dead.type} given up: {found_dead.error}"
        out.print(line, markup=False)
    if dead:
        out.print("Once this is mended: firewalker deliveries replay", style="dim")


async def replay() -> None:
    """Queue again what was given up.

    Raises:
        CommandError: The database cannot be reached.
    """
    async with _backlog() as backlog:
        out.print(f"{number(await backlog.replay())} queued again")


@asynccontextmanager
async def _backlog() -> AsyncIterator[Backlog]:
    try:
        async with Database(mysql_urls()["notification"], pool_size=1) as database:
            yield Backlog(database, SystemClock(), deliveries=Deliveries(), pushes=Pushes())
    except (Fault, OSError) as problem:
        message = f"The database cannot be reached: {problem}"
        raise CommandError(message) from None
