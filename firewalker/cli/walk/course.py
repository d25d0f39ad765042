"""A whole walk: the walking, the last acknowledgements, the audit. Shows nothing; `command` and `demo` do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firewalker.cli.calls import CallError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firewalker.cli.walk.ledger import Discrepancy
    from firewalker.cli.walk.walker import Walker

AUDITS_AT_ONCE = 8


@dataclass(slots=True)
class Outcome:
    """What came out of a walk."""

    days: int = 0
    """Days held against the ledger."""
    discrepancies: list[tuple[str, Discrepancy]] = field(default_factory=list)
    """Days that do not agree, with the walker's nickname."""
    unacknowledged: int = 0
    """Messages that were never answered."""
    failed: dict[str, str] = field(default_factory=dict)
    """Walkers that could not go on or could not be audited, with why."""

    @property
    def good(self) -> bool:
        """Whether every walker got through and every acknowledged reading is there."""
        return not (self.discrepancies or self.unacknowledged or self.failed)


async def walk_all(walkers: Iterable[Walker], over: asyncio.Event) -> Outcome:
    """Let all *walkers* walk until *over*, then audit every one of them."""
    outcome = Outcome()
    lanes = asyncio.Semaphore(AUDITS_AT_ONCE)

    async def one(walker: Walker) -> None:
        try:
            await walker.walk(over)
            outcome.unacknowledged += walker.unacknowledged()
            async with lanes:
                found = await walker.audit()
        except CallError as error:
            outcome.failed[walker.account.user.nickname] = str(error)
            return
        outcome.days += len(walker.ledger.dates())
        outcome.discrepancies += [(walker.account.user.nickname, discrepancy) for discrepancy in found]

    async with asyncio.TaskGroup() as group:
        for walker in walkers:
            group.create_task(one(walker))
    return outcome
