"""`firewalker demo`: a walk, and the board of its first walker beside it, in one terminal."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from firewalker.cli.terminal import out
from firewalker.cli.walk.command import ended_by_interrupt, started
from firewalker.cli.walk.course import walk_all
from firewalker.cli.walk.meters import Meters
from firewalker.cli.walk.report import WalkDisplay, line, summary
from firewalker.cli.watch.command import Screen, watch

if TYPE_CHECKING:
    from firewalker.cli.addresses import Addresses
    from firewalker.cli.walk.course import Outcome
    from firewalker.cli.walk.crowd import Plan
    from firewalker.cli.walk.walker import Walker


async def demo(plan: Plan, minutes: float, addresses: Addresses) -> bool:
    """Walk *plan* for *minutes* while its first walker's board is shown; True if the ledger agrees in the end.

    Raises:
        CommandError: The backend cannot be reached, or refuses.
    """
    meters = Meters()
    async with contextlib.AsyncExitStack() as stack:
        with WalkDisplay() as display:
            walkers = await stack.enter_async_context(started(plan, addresses, meters, display))
        outcome, seconds = await _walk_and_watch(walkers, minutes * 60, addresses, meters)
    out.print(summary(meters, outcome, seconds))
    return outcome.good


async def _walk_and_watch(
    walkers: list[Walker], seconds: float, addresses: Addresses, meters: Meters
) -> tuple[Outcome, float]:
    """What came out of the walk, and how many seconds it took."""
    over = asyncio.Event()
    began = time.monotonic()
    screen = Screen()
    screen.footer = lambda: f"{line(meters)}  {max(0.0, began + seconds - time.monotonic()):.0f} s left"
    with ended_by_interrupt(over):
        async with asyncio.TaskGroup() as group:
            walking = group.create_task(walk_all(walkers, over))
            # Through a session of its own, as a second device of the same person.
            watching = group.create_task(watch(walkers[0].account.credentials, addresses, screen))
            group.create_task(_end(over, seconds))
            await over.wait()
            outcome = await walking
            watching.cancel()
        return outcome, time.monotonic() - began


async def _end(over: asyncio.Event, seconds: float) -> None:
    """Set *over* after *seconds*, unless something else does before."""
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        over.set()
