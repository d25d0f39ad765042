"""Fills days with what people have walked, straight through the step service's own store: no account, no call, no event.

These walkers exist in the step service alone: they have names, zones, friends and steps, but nobody can sign in as one.
What is in `day_device` is what the ingest would have stored; live totals are rebuilt at the end. For tests, benchmarks and
figures of growth, which it prints.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, TypeVar

from rich.table import Table

from firewalker.cli.terminal import number, out
from firewalker.cli.walk.circles import small_world
from firewalker.cli.walk.month import device_days, habit
from firewalker.cli.walk.people import afternoon_zone, people, run_name
from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.runtime.mysql import Database
from firewalker.step.domain.day import SLOTS
from firewalker.step.domain.facts import WalkerNews
from firewalker.step.domain.period import Span
from firewalker.step.store import bonds, days, history, sizes, walkers
from firewalker.step.store.keys import ROWS_PER_STATEMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

ROWS_AT_ONCE = 2_000
"""Rows of one transaction: four statements."""

TRANSACTIONS_AT_ONCE = 3

FEWEST_MEASURED = 10_000
"""Rows below which the table's size says little of a row: it grows by megabytes."""

MILLION = 1_000_000
MONTH_DAYS = 30
LARGEST_GROUP = 200


@dataclass(frozen=True, slots=True)
class Filled:
    """What was done, and what it cost."""

    users: int
    days: int
    rows: int
    seconds: float
    row_bytes: float | None
    """Bytes on disk per row, indexes included; None of too few rows."""
    month_ms: float
    """Reading a month of one walker, as statistics do."""
    group_ms: float
    """Adding up the days of the largest group, as its boards do."""


async def fill(
    mysql_url: str, count: int, day_count: int, seed: int, *, say: Callable[[str, float, float], None]
) -> Filled:
    """Have *count* new people walked on *day_count* days up to their today. *say* is told the step, how far, and of how much."""
    random, now = Random(seed), datetime.now(UTC)  # noqa: S311 - movement, not secrets
    users = [UserId(new_uuid7()) for _ in range(count)]
    async with Database(mysql_url, pool_size=TRANSACTIONS_AT_ONCE + 1) as database:
        async with database.reading() as tx:
            before = await sizes.measure(tx)
        zones = await _make_people(database, users, random, now)
        await _make_friends(database, users, random, now - timedelta(days=day_count), say)
        dates = [now.date() - timedelta(days=ago) for ago in range(day_count - 1, -2, -1)]  # who is ahead has tomorrow
        began, rows = time.monotonic(), 0
        lanes = asyncio.Semaphore(TRANSACTIONS_AT_ONCE)

        async def write(some: list[days.Rise]) -> None:
            try:
                async with database.transaction() as tx:
                    await days.raise_counts(tx, tuple(range(SLOTS)), some)
            finally:
                lanes.release()

        async with asyncio.TaskGroup() as group:
            for done, some in _batches(users, zones, dates, now, random):
                rows += len(some)
                await lanes.acquire()
                group.create_task(write(some))
                say("walking", done, count)
        seconds = time.monotonic() - began
        async with database.reading() as tx:
            after = await sizes.measure(tx)
        grown, added = after.rows - before.rows, after.total_bytes - before.total_bytes
        return Filled(
            count, day_count, rows, seconds,
            added / grown if grown >= FEWEST_MEASURED else None,
            await _timed(database, users[:1], dates), await _timed(database, users[:LARGEST_GROUP], dates),
        )  # fmt: skip


def show(filled: Filled) -> None:
    """Print what it cost, and what a million walkers would."""
    table = Table(title="A filled month" if filled.days == MONTH_DAYS else f"{filled.days} filled days")
    table.add_column("what")
    table.add_column("here", justify="right")
    table.add_column("a million, 30 days", justify="right")
    each = filled.rows / (filled.users * filled.days)
    table.add_row("rows", number(filled.rows), number(round(each * MILLION * MONTH_DAYS)))
    if filled.row_bytes is not None:
        size = filled.row_bytes * each
        table.add_row("bytes a row, with indexes", f"{filled.row_bytes:.0f}", "")
        table.add_row("bytes a walker and day", f"{size:.0f}", "")
        total = size * filled.users * filled.days
        table.add_row("on disk", f"{total / 1e6:.1f} MB", f"{size * MILLION * MONTH_DAYS / 1e9:.1f} GB")
    table.add_row("rows written a second", number(round(filled.rows / max(filled.seconds, 0.001))), "")
    table.add_row("seconds", f"{filled.seconds:.1f}", "")
    table.add_row("all days of a walker", f"{filled.month_ms:.1f} ms", "the same: one range")
    table.add_row(f"all days of {min(filled.users, LARGEST_GROUP)} walkers", f"{filled.group_ms:.1f} ms", "the same")
    out.print(table)


async def _make_people(database: Database, users: list[UserId], random: Random, now: datetime) -> list[str]:
    """Names and zones of everybody; the zones."""
    made = list(people(len(users), random, run_name(), afternoon_zone(now)))
    for some in _chunks(list(zip(users, made, strict=True))):
        async with database.transaction() as tx:
            await walkers.save(tx, [WalkerNews(user, one.nickname, "", now, one.time_zone) for user, one in some])
    return [one.time_zone for one in made]


async def _make_friends(
    database: Database, users: list[UserId], random: Random, since: datetime, say: Callable[[str, float, float], None]
) -> None:
    ties = small_world(len(users), random)
    done = 0
    for some in _chunks(ties):
        async with database.transaction() as tx:
            await bonds.befriend(tx, [(users[one], users[other], since, since) for one, other in some])
        done += len(some)
        say("making friends", done, len(ties))


def _batches(
    users: Sequence[UserId], zones: Sequence[str], dates: Sequence[date], now: datetime, random: Random
) -> Iterator[tuple[int, list[days.Rise]]]:
    """How many walkers are done, and rows to write at once. In the order of the primary key: new ids sort behind old ones."""
    some: list[days.Rise] = []
    for done, (user, zone) in enumerate(sorted(zip(users, zones, strict=True)), 1):
        some += device_days(habit(user.bytes, zone, random), dates, now, random)
        if len(some) >= ROWS_AT_ONCE or done == len(users):
            yield done, some
            some = []


async def _timed(database: Database, users: Sequence[UserId], dates: Sequence[date]) -> float:
    """Milliseconds for what *users* come to on *dates*, the least of three."""
    span, least = Span(dates[0], dates[-1]), float("inf")
    for _ in range(3):
        began = time.perf_counter()
        async with database.reading() as tx:
            if len(users) == 1:
                await history.list_totals(tx, users[0].bytes, *span)
            else:
                await history.sum_up(tx, [(user.bytes, span) for user in users])
        least = min(least, (time.perf_counter() - began) * 1_000)
    return least


T = TypeVar("T")


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + ROWS_PER_STATEMENT] for start in range(0, len(items), ROWS_PER_STATEMENT))
