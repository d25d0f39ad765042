"""What friend lists and friend sets cost at 5, 50 and 500 friends: queries, which must not grow, and time.

    python -m tests.bench.friends [--rounds 40] [--json friends.json]

ListFriends is the use case with pages of 200, as clients ask for them; the friend set is what the step service reads for a
board that it has not kept, the circle what the user service tells it. Each runs on one connection to a real server; times are
medians, and the queries are those that the server counted.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from rich.table import Table

from firewalker.kernel.ids import UserId
from firewalker.local.servers import PrivateServers
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.step.domain.facts import WalkerNews
from firewalker.step.store import bonds, walkers
from firewalker.step.store import friends as friend_sets
from firewalker.user.store.friend_lists import FriendLists
from firewalker.user.store.positions import OLDEST
from tests.service.user.rooms import open_rooms
from tests.support.databases import fresh_database

SIZES = (5, 50, 500)
PAGE = 200

Read = Callable[[], Awaitable[int]]


async def selects(database: Database) -> int:
    """How many SELECTs the database's one connection has run."""
    async with database.reading() as tx:
        return int((await tx.one("SHOW SESSION STATUS LIKE 'Com_select'"))[1])


async def measured(database: Database, read: Read, rounds: int) -> tuple[int, float]:
    """Queries and median milliseconds of *read*."""
    before = await selects(database)
    await read()
    queries = await selects(database) - before
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        await read()
        times.append((time.perf_counter() - begin) * 1000)
    return queries, statistics.median(times)


async def run(rounds: int) -> list[dict[str, float | str]]:
    """Make the people, and measure each way of reading at each size."""
    figures: list[dict[str, float | str]] = []
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        servers = stack.enter_context(PrivateServers.start(Path(folder)))
        user_url = await stack.enter_async_context(fresh_database(servers))
        step_url = await stack.enter_async_context(fresh_database(servers))
        await migrate(step_url, files("firewalker.step.store") / "schema")
        rooms = await stack.enter_async_context(open_rooms(user_url, servers.redis_url(1)))
        user_side = await stack.enter_async_context(Database(user_url, pool_size=1))
        step_side = await stack.enter_async_context(Database(step_url, pool_size=1))
        people = await rooms.newcomers(max(SIZES) + len(SIZES))
        viewers, crowd = people[: len(SIZES)], people[len(SIZES) :]
        await befriend(rooms.database, step_side, dict(zip(viewers, SIZES, strict=True)), crowd)
        for viewer, size in zip(viewers, SIZES, strict=True):
            ways = {
                "ListFriends, first page": (user_side, first_page(user_side, viewer), min(size, PAGE)),
                "GetCircle": (user_side, circle(user_side, viewer), size),
                "friend set": (step_side, friend_set(step_side, viewer), size),
            }
            for what, (database, read, expected) in ways.items():
                if await read() != expected:
                    raise SystemExit(f"{what}: not {expected} friends")
                queries, ms = await measured(database, read, rounds)
                figures.append({"what": what, "friends": size, "queries": queries, "ms": ms})
    return figures


def first_page(database: Database, viewer: UserId) -> Read:
    async def read() -> int:
        async with database.reading() as tx:
            return len(await FriendLists().list_friends(tx, viewer, OLDEST, PAGE))

    return read


def circle(database: Database, viewer: UserId) -> Read:
    async def read() -> int:
        async with database.reading() as tx:
            return len(await FriendLists().list_circle(tx, viewer))

    return read


def friend_set(database: Database, viewer: UserId) -> Read:
    async def read() -> int:
        async with database.reading() as tx:
            return len((await friend_sets.get_circle(tx, viewer)).friends)

    return read


async def befriend(user_side: Database, step_side: Database, sizes: dict[UserId, int], crowd: list[UserId]) -> None:
    """Make the first people of *crowd* friends of each viewer, in both databases."""
    now = datetime.now(UTC)
    pairs = [(viewer, friend) for viewer, size in sizes.items() for friend in crowd[:size]]
    async with user_side.transaction() as tx:
        await tx.execute_rows(
            "INSERT INTO friendship (low_id, high_id, state, since, changed) VALUES",
            "(%s,%s,4,%s,%s)",
            [(min(pair), max(pair), now, now) for pair in pairs],
        )
    async with step_side.transaction() as tx:
        await walkers.save(tx, [WalkerNews(user, user.hex[-12:], "", now, "UTC") for user in (*sizes, *crowd)])
        await bonds.befriend(tx, [(viewer, friend, now, now) for viewer, friend in pairs])


def show(figures: list[dict[str, float | str]]) -> None:
    """Print the table."""
    table = Table(title="Friends: queries and median time")
    for heading in ("read", "friends", "queries", "ms"):
        table.add_column(heading, justify="left" if heading == "read" else "right")
    for figure in figures:
        table.add_row(str(figure["what"]), str(figure["friends"]), str(figure["queries"]), f"{figure['ms']:.2f}")
    Console(width=None if sys.stdout.isatty() else 80).print(table)


def main() -> None:
    """Parse the arguments, measure, and fail if any read asks more of the database for more friends."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.friends", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    figures = asyncio.run(run(chosen.rounds))
    show(figures)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures))
    growing = {f["what"] for f in figures if f["queries"] != 1}
    if growing:
        raise SystemExit(f"more than one query: {sorted(map(str, growing))}")


if __name__ == "__main__":
    main()
