"""Runs a walk from the command line: plan, crowd, walk, summary, exit status."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING

from firewalker.cli import services
from firewalker.cli.addresses import require_listening
from firewalker.cli.calls import CallError
from firewalker.cli.terminal import CommandError, err, out
from firewalker.cli.walk import bulk, last
from firewalker.cli.walk.course import walk_all
from firewalker.cli.walk.crowd import Plan, crowd
from firewalker.cli.walk.meters import Meters
from firewalker.cli.walk.report import WalkDisplay, line, summary
from firewalker.kernel.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from firewalker.cli.addresses import Addresses
    from firewalker.cli.walk.course import Outcome
    from firewalker.cli.walk.walker import Walker

REFRESH_S = 0.25


async def walk(plan: Plan, minutes: float, addresses: Addresses) -> bool:
    """Let *plan* walk for *minutes*; True if the ledger agrees in the end. Ctrl-C ends the walk early, not the audit.

    Raises:
        CommandError: The backend cannot be reached or refuses to take the crowd in.
    """
    meters = Meters()
    with WalkDisplay() as display:
        async with started(plan, addresses, meters, display) as walkers:
            over = asyncio.Event()
            with ended_by_interrupt(over):
                began = time.monotonic()
                outcome = await _show(asyncio.create_task(walk_all(walkers, over)), over, minutes * 60, meters, display)
                seconds = time.monotonic() - began
    out.print(summary(meters, outcome, seconds))
    return outcome.good


async def fill(users: int, days: int, seed: int) -> None:
    """Fill *days* days of *users* new people straight into the step service's database, and print what that took.

    Raises:
        CommandError: The database or Redis cannot be reached.
    """
    mysql_url = services.mysql_urls()["step"]
    with WalkDisplay() as display:
        try:
            filled = await bulk.fill(mysql_url, users, days, seed, say=display.say)
        except Fault as problem:
            raise CommandError(f"The days could not be filled: {problem}") from None
    bulk.show(filled)
    await services.rebuild()


@contextlib.asynccontextmanager
async def started(
    plan: Plan, addresses: Addresses, meters: Meters, display: WalkDisplay
) -> AsyncIterator[list[Walker]]:
    """Make the crowd of *plan*, and keep and print how to watch the board of its first walker.

    Raises:
        CommandError: The backend cannot be reached or refuses to take the crowd in.
    """
    await require_listening(addresses.user, addresses.step)
    async with contextlib.AsyncExitStack() as stack:
        try:
            walkers = await stack.enter_async_context(crowd(plan, addresses, meters, display.say))
        except CallError as error:
            message = f"The backend at {addresses.user} does not take the walkers in: {error}"
            raise CommandError(message) from None
        first = walkers[0].account
        last.remember(first.credentials)
        told = f"The board of {first.user.nickname} can be watched with `firewalker watch --demo`, or with"
        err.print(told, soft_wrap=True)
        secret = first.credentials
        out.print(f"firewalker watch --email {secret.email} --password {secret.password}", soft_wrap=True)
        yield walkers


async def _show(
    walking: asyncio.Task[Outcome], over: asyncio.Event, seconds: float, meters: Meters, display: WalkDisplay
) -> Outcome:
    began = time.monotonic()
    try:
        while not walking.done():
            passed = min(time.monotonic() - began, seconds)
            display.say("walking", passed, seconds, line(meters))
            if passed >= seconds:
                over.set()
            await asyncio.wait([walking], timeout=REFRESH_S)
        return walking.result()
    finally:
        walking.cancel()


@contextlib.contextmanager
def ended_by_interrupt(over: asyncio.Event) -> Iterator[None]:
    """Set *over* on the first Ctrl-C or SIGTERM; a second one ends the command at once."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def end() -> None:
        over.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
