"""What a million walkers and a month take: rows and bytes measured on a sample, and the cost of reading and writing them.

    python -m tests.bench.growth [--walkers 5000] [--days 4] [--friends 50] [--json FILE]

The sample has realistic rows: 24 hours for each device and date, a third of the walkers with a second device, boards of 51.
MySQL or MariaDB is a private one, as in `track_steps`; sizes are those of its files' pages after the tables were rebuilt.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.step.domain.day import HOURS, to_ms
from firewalker.step.domain.goal import Reached
from firewalker.step.domain.leaderboard import Frozen, State
from firewalker.step.store import boards, days
from tests.bench.track_steps import servers
from tests.support.databases import fresh_database, run_on

WALKERS, DAYS = 1_000_000, 30
"""What the sample is scaled to."""

CHUNK = 500


class Table(NamedTuple):
    """A table of the sample."""

    name: str
    rows: int
    bytes: int
    write_us: float
    """Wall time of a row, through the store."""


def rises(users: Sequence[bytes], day: date, chance: random.Random) -> list[days.Rise]:
    """A day of each: mornings and evenings, as people walk."""
    now_ms = to_ms(datetime.now(UTC))
    made = []
    for user in users:
        for name in ("8a2b1c9e-phone", "51f0c7aa-watch")[: 1 + (chance.random() < 1 / 3)]:
            counts = tuple(chance.randrange(1_500) if 7 <= hour <= 22 else 0 for hour in range(HOURS))
            made.append(days.Rise(user, day, name, False, 1, now_ms, now_ms, 0, counts))  # noqa: FBT003
    return made


async def fill_days(database: Database, users: Sequence[bytes], dates: Sequence[date]) -> tuple[int, float]:
    """Rows of `day_device`, and the seconds that they took."""
    chance, rows, took = random.Random(3), 0, 0.0
    for day in dates:
        for start in range(0, len(users), CHUNK):
            some = rises(users[start : start + CHUNK], day, chance)
            begin = time.monotonic()
            async with database.transaction() as tx:
                await days.raise_counts(tx, tuple(range(HOURS)), some)
            took += time.monotonic() - begin
            rows += len(some)
    return rows, took


async def fill_boards(
    database: Database, users: Sequence[bytes], dates: Sequence[date], friends: int
) -> tuple[int, float]:
    """Rows of `frozen_board`, and the seconds that they took."""
    chance, rows, took = random.Random(4), 0, 0.0
    for day in dates:
        for start in range(0, len(users), CHUNK):
            some = [
                (
                    user,
                    [
                        Frozen(friend, rank, 9_000, State.RANKED, goal_reached=Reached.NO)
                        for rank, friend in enumerate(board, 1)
                    ],
                )
                for user in users[start : start + CHUNK]
                if (board := [*chance.sample(users, friends), user])
            ]
            begin = time.monotonic()
            async with database.transaction() as tx:
                await boards.freeze(tx, day, some)
            took += time.monotonic() - begin
            rows += len(some)
    return rows, took


async def size_of(mysql_url: str, table: str) -> int:
    """Bytes of a table with its indexes."""
    await run_on(mysql_url, f"OPTIMIZE TABLE {table}")
    rows = await run_on(
        mysql_url,
        "SELECT SUM(data_length + index_length) FROM information_schema.tables "  # noqa: S608 - a name from here
        f"WHERE table_schema = DATABASE() AND table_name = '{table}'",
    )
    return int(str(rows[0][0]))


async def reads(database: Database, users: Sequence[bytes], dates: Sequence[date]) -> dict[str, float]:
    """Wall µs of reading a walker's own days of the sample, and the totals of a board of 51."""
    asked = random.sample(users, 200)
    async with database.reading() as tx:
        begin = time.monotonic()
        for user in asked:
            await days.list_days(tx, user, dates[0], dates[-1])
        own = time.monotonic() - begin
        for _ in asked:
            await days.find_totals(tx, [(user, dates[0]) for user in random.sample(users, 51)])
        board = time.monotonic() - begin - own
    return {"own days": own / len(asked) * 1_000_000, "totals of 51": board / len(asked) * 1_000_000}


async def run(options: argparse.Namespace) -> dict[str, object]:
    """Fill, measure, scale."""
    users = sorted(new_uuid7().bytes for _ in range(options.walkers))
    first = datetime.now(UTC).date() - timedelta(days=options.days)
    dates = [first + timedelta(days=number) for number in range(options.days)]
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "servers") as backing:
        async with fresh_database(backing) as mysql_url:
            await migrate(mysql_url, files("firewalker.step.store") / "schema")
            async with Database(mysql_url) as database:
                tables = []
                for name, (rows, took) in {
                    "day_device": await fill_days(database, users, dates),
                    "frozen_board": await fill_boards(database, users, dates, options.friends),
                }.items():
                    tables.append(Table(name, rows, await size_of(mysql_url, name), took / rows * 1_000_000))
                read = await reads(database, users, dates)
    scale = WALKERS * DAYS / (options.walkers * options.days)
    return {
        "tables": [
            {
                "table": table.name,
                "rows_of_sample": table.rows,
                "bytes_a_row": round(table.bytes / table.rows),
                "write_us_a_row": round(table.write_us, 1),
                "million_rows": round(table.rows * scale / 1_000_000, 1),
                "gigabytes": round(table.bytes * scale / 1_000_000_000, 1),
            }
            for table in tables
        ],
        "read_us": {name: round(us) for name, us in read.items()},
    }


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walkers", type=int, default=5_000)
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--friends", type=int, default=50)
    parser.add_argument("--json", default="")
    chosen = parser.parse_args()
    report = asyncio.run(run(chosen))
    for name, value in report.items():
        for line in value if isinstance(value, list) else [value]:
            print(f"{name}: {line}")
    print(f"scaled to {WALKERS:,} walkers and {DAYS} days")
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
