"""`firewalker reports`: who was reported and why, and that it was dealt with, with the name of who did."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from textwrap import indent
from typing import TYPE_CHECKING

from rich.text import Text

from firewalker.cli import account_states
from firewalker.cli.operators import harmless, operator
from firewalker.cli.services import url
from firewalker.cli.terminal import CommandError, number, out
from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import parse_uuid
from firewalker.user.operating import reporting
from firewalker.user.usecases.reports import Reports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from firewalker.user.domain.report import Reason

MOST_REPORTED = 100
"""Users of one list."""

MOST_SHOWN = 1_000
"""Reports of one user."""


async def show() -> None:
    """Print who has open reports, who was reported last first.

    Raises:
        CommandError: The database cannot be reached.
    """
    async with _reports() as reports:
        found = await reports.list_reported(MOST_REPORTED)
    if not found:
        out.print("No report is open.")
        return
    for one in found:
        # Lines, no table: ids are long, and terminals are narrow.
        out.print(Text(harmless(f"{one.user_id}  {one.nickname}  {one.state.name.lower()}")), soft_wrap=True)
        by = f"{_counted(one.reports, 'report')} by {_counted(one.reporters, 'user')}"
        newest = f"newest {one.newest:%Y-%m-%d %H:%M} UTC"
        out.print(f"    {by}, {newest}: {_said(one.reasons)}", soft_wrap=True)
    if len(found) == MOST_REPORTED:
        out.print(f"These are the {MOST_REPORTED} who were reported last.", style="dim")


async def show_of(whom: str) -> None:
    """Print all reports of one user, the newest first, and how the account stands.

    Raises:
        CommandError: There is no such user, or the database cannot be reached.
    """
    standing = await account_states.found(whom)
    async with _reports() as reports:
        found = await reports.list_of(standing.card.user_id, MOST_SHOWN)
    account_states.print_standing(standing)
    for kept in found:
        report = kept.report
        state = f"closed {kept.close_time:%Y-%m-%d %H:%M} by {kept.closed_by}" if kept.close_time else "open"
        by = f"{kept.reporter_nickname} ({report.reporter})"
        out.print()
        line = f"{report.at:%Y-%m-%d %H:%M} UTC  {report.reason.name}  by {by}  {state}  {kept.report_id}"
        out.print(Text(harmless(line)), soft_wrap=True)
        if report.text:
            # Set in, so that no line of it looks like another report.
            out.print(Text(indent(harmless(report.text), "    ")), soft_wrap=True)
    if not found:
        out.print("Nobody has reported them.")
    elif len(found) == MOST_SHOWN:
        out.print(f"\nThese are the newest {number(MOST_SHOWN)}.", style="dim")


async def close(what: str, by: str | None) -> None:
    """Note that all open reports of a user, or the one report with that id, were dealt with.

    Raises:
        CommandError: There is no such user or report, or the database cannot be reached.
    """
    name, report_id = operator(by), parse_uuid(what)
    async with _reports() as reports:
        if report_id is not None:
            closed = await reports.close(report_id, name)
            if closed is not None:
                out.print("1 report closed" if closed else "It was closed before; that stays as it was.")
                return
    user = (await account_states.found(what)).card.user_id
    async with _reports() as reports:
        count = await reports.close_of(user, name)
    out.print(f"{_counted(count, 'report')} closed" if count else "No report of them is open.")


def _counted(count: int, what: str) -> str:
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def _said(reasons: Mapping[Reason, int]) -> str:
    return ", ".join(f"{number(count)} {reason.name}" for reason, count in Counter(reasons).most_common())


@asynccontextmanager
async def _reports() -> AsyncIterator[Reports]:
    try:
        async with reporting(url("user", "MYSQL_URL")) as reports:
            yield reports
    except (Fault, OSError) as problem:
        message = f"The database cannot be reached: {problem}"
        raise CommandError(message) from None
