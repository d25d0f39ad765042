"""Statistics: server CPU for 400 days of a walker, asked for as a year, a month, a week and a day.

    python -m tests.bench.stats [--calls 300] [--runs 3] [--friends 20] [--json FILE]

The step service runs as its own process on core 0, the load on the others. The walker and each friend have two devices on
every one of 400 days, and the walker a goal that changed every month; every answer is checked for its sum. The cost of
MySQL is not in the figure: it is printed beside it, with the clients' waiting in it, as the time of one call alone.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import grpc.aio

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.local.secrets import make_secrets
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.step.domain.day import HOURS, to_ms
from firewalker.step.domain.facts import WalkerNews
from firewalker.step.domain.goal import NO_GOALS
from firewalker.step.domain.period import Period, span_of
from firewalker.step.store import bonds, days, goals, walkers
from tests.bench.track_steps import cpu_us, servers, step_service, token
from tests.support.databases import fresh_database

DAYS = 400
TARGET_US = 5_000
"""Server CPU of 400 days of a user."""

AT_ONCE = 4
STEPS = 400
"""In each of the hours 8 to 23, on the phone; the watch counts a little less."""

Request = message_class("firewalker.step.v1.GetMyStatsRequest")
Response = message_class("firewalker.step.v1.GetMyStatsResponse")


async def fill(mysql_url: str, today: date, count: int) -> UserId:
    """A walker with *count* friends, and 400 days of all of them."""
    now, now_ms = datetime.now(UTC), to_ms(datetime.now(UTC))
    users = [UserId(new_uuid7()) for _ in range(count + 1)]
    hours = tuple(range(8, HOURS))
    async with Database(mysql_url) as database:
        async with database.transaction() as tx:
            await walkers.save(tx, [WalkerNews(user, f"n{user.hex[-12:]}", "", now, "UTC") for user in users])
            await bonds.befriend(tx, [(users[0], friend, now - timedelta(days=500), now) for friend in users[1:]])
            own = NO_GOALS
            for month in range(14):
                own = own.changed(6_000 + month * 100, shared=True, today=today - timedelta(days=30 * (14 - month)))
            await goals.save(tx, users[0], NO_GOALS, own)
            await tx.execute("INSERT INTO goal_owner (user_id, shared) VALUES (%s, 1)", (users[0],))
        for user in users:
            rises = [
                days.Rise(
                    user.bytes, today - timedelta(days=ago), device, late=False, source=1, last_reading_ms=now_ms,
                    reached_ms=now_ms, revision=0, counts=(STEPS - less,) * len(hours),
                )
                for ago in range(DAYS) for device, less in (("phone", 0), ("watch", 10))
            ]  # fmt: skip
            async with database.transaction() as tx:
                await days.raise_counts(tx, hours, rises)
    return users[0]


async def ask(
    target: str, pid: int, period: Period, today: date, *, metadata: object, calls: int
) -> tuple[float, float]:
    """Server CPU µs per call, and milliseconds of a call alone."""
    walked = min(DAYS, (today - span_of(period, today).first).days + 1) * STEPS * (HOURS - 8)
    async with grpc.aio.insecure_channel(target) as channel:
        get = channel.unary_unary(
            "/firewalker.step.v1.StatsService/GetMyStats",
            request_serializer=Request.SerializeToString,
            response_deserializer=Response.FromString,
        )
        request = Request(period=period, date=today.isoformat())

        async def some(count: int) -> None:
            for _ in range(count):
                answer = await get(request, metadata=metadata, timeout=10)
                assert answer.stats.total == walked
                assert answer.stats.friends.median == STEPS * (HOURS - 8)

        await some(3)
        begin = time.monotonic()
        await some(10)
        alone_ms = (time.monotonic() - begin) * 100
        before = cpu_us(pid)
        await asyncio.gather(*(some(calls // AT_ONCE) for _ in range(AT_ONCE)))
        return (cpu_us(pid) - before) / (calls // AT_ONCE * AT_ONCE), alone_ms


async def measure(options: argparse.Namespace) -> list[dict[str, object]]:
    """The lines of the table."""
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
    today = datetime.now(UTC).date()
    found: dict[Period, list[tuple[float, float]]] = {period: [] for period in reversed(Period)}
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "servers") as backing:
        secrets = make_secrets(Path(folder) / "secrets")
        async with fresh_database(backing) as mysql_url:
            await migrate(mysql_url, files("firewalker.step.store") / "schema")
            user = await fill(mysql_url, today, options.friends)
            async with step_service(mysql_url, backing.redis_url(), secrets) as (target, pid):
                for _ in range(options.runs):
                    for period, costs in found.items():
                        costs.append(
                            await ask(target, pid, period, today, metadata=token(secrets, user), calls=options.calls)
                        )
    return [
        {
            "what": f"{period.name.lower()} of 400 days",
            "cpu_us": round(statistics.median(cost for cost, _ in costs), 1),
            "target_us": TARGET_US,
            "alone_ms": round(statistics.median(alone for _, alone in costs), 1),
        }
        for period, costs in found.items()
    ]


def show(report: Sequence[dict[str, object]]) -> None:
    names = list(report[0])
    print("  ".join(f"{name:>18}" for name in names))
    for line in report:
        print("  ".join(f"{line[name]!s:>18}" for name in names))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--friends", type=int, default=20)
    parser.add_argument("--json", default="")
    chosen = parser.parse_args()
    figures = asyncio.run(measure(chosen))
    show(figures)
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(figures, indent=1) + "\n")
