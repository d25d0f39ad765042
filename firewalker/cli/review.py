"""`firewalker review`: suspect days, and what a person says of them. Every decision is kept with the name of who made it."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING
from uuid import UUID

from rich.table import Table

from firewalker.cli.services import url
from firewalker.cli.terminal import CommandError, number, out
from firewalker.kernel.days import parse_date
from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.runtime.redis import RedisUnavailable
from firewalker.step.domain.suspicion import Verdict
from firewalker.step.usecases.reviews import NotSuspect, Reviews, reviewing

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

MOST_SHOWN = 100
"""Days of one table."""


async def show(verdict: str) -> None:
    """Print the days of that verdict: `pending`, `approved` or `refused`.

    Raises:
        CommandError: There is no such verdict, or the database cannot be reached.
    """
    chosen = _verdict(verdict)
    try:
        async with _reviews() as reviews:
            days = await reviews.list(chosen, MOST_SHOWN)
    except (Fault, OSError) as problem:
        raise CommandError(_away(problem)) from None
    if not days:
        out.print(f"No day is {verdict}.")
        return
    table = Table("walker", "", "date", "steps", "noticed", "rank", box=None, header_style="dim")
    for day in days:
        noticed = f"{day.noticed:%Y-%m-%d %H:%M} UTC"
        rank = "without" if day.held else "with"
        table.add_row(str(UUID(bytes=day.user)), day.nickname, str(day.day), number(day.total), noticed, rank)
    out.print(table)


async def decide(walker: str, day: str, verdict: str) -> None:
    """Say of the walker's day that it is `approved` or `refused`.

    Raises:
        CommandError: There is no such day, or nothing to decide about it, or something cannot be reached.
    """
    user, date = parse_uuid(walker), parse_date(day)
    if user is None or date is None:
        message = "A user id and a date (YYYY-MM-DD) are needed, as the list shows them."
        raise CommandError(message)
    try:
        async with _reviews() as reviews:
            total = await reviews.decide(UserId(user), date, _verdict(verdict), getpass.getuser())
    except NotSuspect as nothing:
        raise CommandError(nothing.message) from None
    except RedisUnavailable as problem:
        message = f"It is {verdict}, but Redis cannot be told ({problem}): say it again when it is back."
        raise CommandError(message) from None
    except (Fault, OSError) as problem:
        raise CommandError(_away(problem)) from None
    rank = "without" if total.held else "with"
    out.print(f"{verdict}: {number(total.total)} steps on {date}, {rank} a rank until the walker corrects the day")


def _reviews() -> AbstractAsyncContextManager[Reviews]:
    return reviewing(url("step", "MYSQL_URL"), url("step", "REDIS_URL"))


def _verdict(text: str) -> Verdict:
    try:
        return Verdict[text.upper()]
    except KeyError:
        message = f"{text!r} is no verdict; there are pending, approved and refused."
        raise CommandError(message) from None


def _away(problem: Exception) -> str:
    return f"The database cannot be reached: {problem}"
