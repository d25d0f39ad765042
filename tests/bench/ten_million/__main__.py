"""Runs the whole and prints it. See the package."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from firewalker.local.servers import PrivateServers
from firewalker.runtime import logging
from firewalker.step.live.buckets import KEPT
from tests.bench.ten_million import costs, live, people
from tests.bench.ten_million.day import DAY_S, Day, first_moment
from tests.bench.ten_million.scaled import BUSY, HEARING, Measured
from tests.bench.ten_million.stored import Kept, keep_accounts, keep_steps
from tests.bench.ten_million.told import tell

PARTS = 10
"""Parts of the sample whose differences are its error."""

RAISED_LISTPACK = 4_096
"""Fields of a compact hash, if Redis is told to keep larger ones compact."""

MACHINES = (1, 10, 100)


async def measure(options: argparse.Namespace) -> Measured:
    """Live the day, keep it, tell it, and find out what it costs."""
    cost = costs.kept(Path(options.figures)) if options.figures else costs.measured()
    say("the day")
    random = Random(options.seed)
    begin = first_moment(datetime.now(UTC)) - timedelta(days=3)
    crowd = people.crowd(options.people, PARTS, begin, random)
    day = Day(crowd, begin, random)
    await day.run()
    with tempfile.TemporaryDirectory() as folder, PrivateServers.start(Path(folder)) as servers:
        say("live totals")
        on_board = round(sum(map(len, crowd.friends)) / len(crowd.friends)) + 1
        found = {
            "a million": await live.measure(servers, 1_000_000, on_board, random),
            "all": await live.measure(servers, options.users, on_board, random),
            "all, compact": await live.measure(servers, options.users, on_board, random, RAISED_LISTPACK),
        }
        hearing = await live.hearing_us(servers, random)
        say("what is stored")
        kept = Kept()
        await keep_steps(servers, crowd, day, kept)
        await keep_accounts(servers, crowd, begin, kept)
        say("what is told")
        telling = await tell(servers, crowd, [*day.news.events, *kept.results])
    return Measured(crowd, day, kept, telling, found, hearing, cost, PARTS)


def say(what: str) -> None:
    """Tell how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr)


def table(title: str, *headings: str) -> Table:
    """A table whose first column is text."""
    made = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        made.add_column(heading, justify="right" if number else "left")
    return made


def show(found: Measured, options: argparse.Namespace) -> list[Table]:
    """The tables."""
    users = options.users
    return [
        assumed(found),
        rates(found, users),
        in_redis(found),
        in_mysql(found, users),
        units(found),
        load(found, users),
        limits(found, users),
    ]


def assumed(found: Measured) -> Table:
    """What the people are like, as they were drawn."""
    made = table(f"Assumed: {len(found.crowd.walkers):,} people drawn", "what", "how much")
    sizes = sorted(map(len, found.crowd.friends))
    made.add_row("zones", ", ".join(f"{zone} {share:.0%}" for zone, share in people.ZONES.items()))
    made.add_row("friends: mean, median, most", f"{found.friends:.0f}, {sizes[len(sizes) // 2]}, {sizes[-1]}")
    of_groups = sorted(map(len, found.crowd.groups))
    made.add_row("groups: members in the median, most", f"{of_groups[len(of_groups) // 2]}, {of_groups[-1]}")
    made.add_row("app opened a day", f"{found.a_day('boards opened').value:.1f} times")
    made.add_row("app open a day", f"{found.a_day('seconds watched').value:.0f} s")
    made.add_row("messages while open and walking", f"every {people.MESSAGE_S:g} s")
    made.add_row("with a goal, of them shared", f"{people.HAS_GOAL:.0%}, {people.SHARES_GOAL:.0%}")
    return made


def rates(found: Measured, users: int) -> Table:
    """What comes and goes."""
    title = f"{users:,} walkers; the peak is {found.peak}:00 UTC, of events {found.peak_of_events}:00"
    made = table(title, "what", "a walker and day", "± %", "million a day", "a second at the peak", "± %")
    for what in (
        "messages", "readings", "rows written", "totals told", "screens that show it", "frames",
        "boards opened", "bytes in", "bytes told", "bytes out",
    ):  # fmt: skip
        day, peak = found.a_day(what), found.a_second(what)
        _rate(made, what, day, peak, users)
    for what in ("events", "overtakes told", "goals reached"):
        _rate(made, what, found.a_day(what), found.a_second(what, found.peak_of_events), users)
    a_second = found.results_a_second
    made.add_row(
        "results of days, as boards freeze", f"{a_second * DAY_S:,.2f}", "", f"{a_second * DAY_S * users / 1e6:,.0f}",
        f"{a_second * users:,.0f}", "",
    )  # fmt: skip
    for what, each in (("inbox rows", found.inbox_rows()), ("messages to devices", found.pushes())):
        made.add_row(what, f"{each.value:,.2f}", f"{each.percent:.0f}", f"{each.value * users / 1e6:,.0f}", "", "")
    told, seen, frames = (found.a_second(what).value for what in ("totals told", "screens that show it", "frames"))
    made.add_section()
    made.add_row("screens for each total told", f"{seen / told:.2f}")
    made.add_row("frames for each total told", f"{frames / told:.2f}")
    watched, processes = found.streams(users)
    made.add_row("boards watched at the peak", f"{watched:,.0f}")
    made.add_row("step processes by the limit of streams alone", f"{processes:,.0f}")
    return made


def _rate(made: Table, what: str, day: Any, peak: Any, users: int) -> None:
    made.add_row(
        what, f"{day.value:,.2f}", f"{day.percent:.0f}", f"{day.value * users / 1e6:,.0f}",
        f"{peak.value * users:,.0f}", f"{peak.percent:.0f}",
    )  # fmt: skip


def in_redis(found: Measured) -> Table:
    """Keys and bytes of live totals."""
    made = table(
        f"Live totals in Redis, {KEPT.days} dates", "how", "walkers", "keys", "walkers a key", "bytes a total", "GB",
        "µs a total told", "µs a board read", "compact up to",
    )  # fmt: skip
    for name, one in found.live.items():
        made.add_row(
            name, f"{one.users:,}", f"{one.keys:,}", f"{one.a_bucket:,.0f}", f"{one.bytes_a_total:.0f}",
            f"{one.gigabytes:.2f}", f"{one.apply_us:.1f}", f"{one.read_us:.0f}", f"{one.compact:,}",
        )  # fmt: skip
    return made


def in_mysql(found: Measured, users: int) -> Table:
    """Rows and bytes."""
    made = table(
        f"MySQL, {users:,} walkers", "table", "bytes a row", "rows a walker", "GB", "million rows a day", "GB a day", "kept",
        "GB at rest, or a year",
    )  # fmt: skip
    standing = 0.0
    for one in found.kept.standing:
        each, size = found.rows_of_each(one), one.bytes / one.rows
        standing += each * size * users / 1e9
        made.add_row(one.name, f"{size:.0f}", f"{each:.2f}", f"{each * size * users / 1e9:,.1f}")
    made.add_row("together", "", "", f"{standing:,.1f}")
    for tables in (list(found.of_steps()), list(found.of_news())):
        made.add_section()
        day = rest = 0.0
        for growing in tables:
            name, days = growing.size.name, growing.days
            each, size = found.rows_of_each(growing.size), growing.size.bytes / growing.size.rows
            gigabytes = each * size * users / 1e9
            if days:
                day, rest = day + gigabytes, rest + gigabytes * days
            made.add_row(
                name, f"{size:.0f}", f"{each:.2f} a day", "", f"{each * users / 1e6:,.1f}", f"{gigabytes:,.1f}",
                growing.how_long, f"{gigabytes * days:,.0f}",
            )  # fmt: skip
        made.add_row("together, but what goes", "", "", "", "", f"{day:,.1f}", "", f"{rest:,.0f}")
    return made


def units(found: Measured) -> Table:
    """What one of each costs."""
    made = table(f"Processor; the first three from {found.costs.source}", "what", "µs")
    for what, us in (
        ("a message with a reading, acknowledged after COMMIT", found.costs.message),
        ("a frame to a watcher", found.costs.frame),
        (f"a board of {found.friends:.0f} friends, opened", found.costs.opened(found.friends)),
        ("looking for overtakes, for each message", found.look_us),
        ("hearing of another process's total", found.hearing_us),
        ("MySQL, a row that rises, with its total", found.kept.mysql_us_a_row),
        ("notification, an event taken in", found.telling.taking_cpu_s / found.telling.events * 1e6),
        ("notification, a push planned", found.telling.planning_cpu_s / max(found.telling.planned, 1) * 1e6),
    ):
        made.add_row(what, f"{us:,.1f}")
    return made


def load(found: Measured, users: int) -> Table:
    """Processors at the peak."""
    made = table(
        f"Cores at the peak, each used to {BUSY:.0%}", "walkers", "step", "MySQL of step", "Redis", "notification"
    )
    for number in (users // 100, users // 10, users):
        made.add_row(
            f"{number:,}", *(f"{cores:,.2f}" for cores in found.processors(number, found.live["all"]).values())
        )
    cores = os.cpu_count() or 1
    made.add_section()
    for machines in MACHINES:
        held = found.users_on(machines * cores, found.live["all"])
        hearing = held * found.hearing()
        made.add_row(
            f"{machines * cores} cores hold {held:,.0f} walkers; hearing takes {hearing:.2f} of a core of each process"
        )
    return made


def limits(found: Measured, users: int) -> Table:
    """What there is one of."""
    made = table(
        f"What there is one of, full at so many walkers (Redis at {BUSY:.0%}, hearing at {HEARING:.0%} of a core)",
        "what", "walkers", f"of {users:,}", "why",
    )  # fmt: skip
    for limit in found.limits(found.live["all"], users):
        made.add_row(limit.what, f"{limit.users:,.0f}", f"{limit.users / users:.1f}", limit.why)
    return made


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ten_million", description=__doc__)
    parser.add_argument("--people", type=int, default=600, help="size of the sample")
    parser.add_argument("--users", type=int, default=10_000_000, help="what it is scaled to")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", default="", help="a file that `make bench` has kept, instead of measuring now")
    parser.add_argument("--json", default="")
    options = parser.parse_args()
    logging.configure(level="error", form="json", service="bench")
    began = time.monotonic()
    found = asyncio.run(measure(options))
    console = Console(width=None if sys.stdout.isatty() else 140)
    for made in show(found, options):
        console.print(made)
    console.print(f"{len(found.crowd.walkers):,} people, seed {options.seed}, {time.monotonic() - began:.0f} s")
    if options.json:
        users = options.users
        full = found.limits(found.live["all"], users)
        report = {
            "users": users,
            "messages_per_second": round(found.a_second("messages").value * users),
            "message_us": found.costs.message,
            "limits": {limit.what: round(limit.users) for limit in full},
            "unit_us": {limit.what: limit.unit_us for limit in full},
            "per_second": {limit.what: limit.a_second * users for limit in full},
        }
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
