"""Freezing boards: what one takes when nothing else happens, and what who calls the same process notices meanwhile.

    python -m tests.bench.freezing [--walkers 6000] [--beside 12000] [--seconds 10] [--rounds 2] [--json FILE]

Alone: a loop of its own freezes the boards of a date, log-normal friends, mean 21; how many a second with its rests, processor of
the process and of MySQL, and the longest turn of the loop. Beside: the step service runs as its own process on core 0, with the load of `tests.bench.live`
(2 500 readings a second, watchers of boards on which one friend walks), in turns quiet and while it freezes all the time.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from firewalker.kernel.clock import SystemClock
from firewalker.local.secrets import make_secrets
from firewalker.local.servers import PrivateServers
from firewalker.runtime import logging
from firewalker.runtime.garbage import rare_collections
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox
from firewalker.runtime.turns import TimedLoop
from firewalker.step.events import OutboxFacts
from firewalker.step.usecases.settling import Settling
from tests.bench.freezing.crowd import count, fill, freeze_again, freeze_nothing
from tests.bench.live import Walker, Watcher, befriend, friendships, proof
from tests.bench.ten_million.stored import processor_us
from tests.bench.track_steps import step_service
from tests.support.databases import fresh_database

WALKING, WATCHING = 1_000, 200
"""Of the load beside: streams with five readings every two seconds, and screens."""


async def alone(mysql_url: str, mysql_pid: int, walkers: int) -> dict[str, Any]:
    """Freeze the boards of so many walkers, and sum up."""
    async with Database(mysql_url, pool_size=2) as database:
        crowd = await fill(database, walkers)
        clock = SystemClock()
        await freeze_nothing(database, clock.now())
        await freeze_again(database, crowd.day)
        settling = Settling(database, OutboxFacts(Outbox("notification"), clock), clock)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TimedLoop)
        async with rare_collections():
            loop.turns.serve()
            begin, used, served = time.monotonic(), time.process_time(), processor_us(mysql_pid)
            while await settling.settle():
                pass
        took, used, served = time.monotonic() - begin, time.process_time() - used, processor_us(mysql_pid) - served
        frozen = await count(database)
    return {
        "boards": frozen,
        "boards_per_second": round(frozen / took),
        "cpu_us": round(used / frozen * 1e6),
        "mysql_us": round(served / frozen),
        "longest_turn_ms": round(loop.turns.longest_s * 1000, 1),
        "long_turns": loop.turns.long_turns,
    }


async def beside(mysql_url: str, redis_url: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The load in turns quiet and while boards freeze."""
    found = []
    async with Database(mysql_url, pool_size=2) as database:
        crowd = await fill(database, options.beside)
        await freeze_nothing(database, datetime.now(UTC))
        with tempfile.TemporaryDirectory() as folder:
            secrets = make_secrets(Path(folder))
            async with step_service(mysql_url, redis_url, secrets, kind="freezing") as server:
                for _ in range(options.rounds):
                    for freezing in (False, True):
                        walking = [Walker() for _ in range(WALKING)]
                        watching = [Watcher(walking[number]) for number in range(WATCHING)]
                        people = [*(one.user for one in walking), *(one.user for one in watching)]
                        await befriend(mysql_url, people, list(friendships(watching, walking, busy=False)))

                        async def begin() -> None:
                            await freeze_again(database, crowd.day)

                        row = await proof(
                            server, secrets, walking, watching, options.seconds, begin=begin if freezing else None
                        )
                        frozen = await count(database) if freezing else 0
                        found.append(
                            {"freezing": freezing, "boards_per_second": round(frozen / options.seconds), **row}
                        )
                        await freeze_nothing(database, datetime.now(UTC))
    return found


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Alone, then beside."""
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
    with tempfile.TemporaryDirectory() as folder, PrivateServers.start(Path(folder) / "servers") as backing:
        report: dict[str, Any] = {}
        if options.walkers:
            async with fresh_database(backing) as mysql_url:
                await migrate(mysql_url, files("firewalker.step.store") / "schema")
                report["alone"] = await alone(mysql_url, backing.mysql.pid, options.walkers)
        if options.beside:
            async with fresh_database(backing) as mysql_url:
                await migrate(mysql_url, files("firewalker.step.store") / "schema")
                report["beside"] = await beside(mysql_url, backing.redis_url(), options)
    return report


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walkers", type=int, default=6_000)
    parser.add_argument("--beside", type=int, default=12_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", default="")
    chosen = parser.parse_args()
    logging.configure(level="error", form="json", service="step")
    with asyncio.Runner(loop_factory=TimedLoop) as runner:
        report = runner.run(run(chosen))
    for name, found in report.items():
        for row in found if isinstance(found, list) else [found]:
            print(f"{name}:", "  ".join(f"{what}: {value}" for what, value in row.items()))
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
