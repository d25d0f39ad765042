"""What signing in costs, what it costs the others when everybody signs in at once, and what knowing of ended sessions costs.

    python -m tests.bench.accounts [--seconds 6] [--storm 500] [--json accounts.json]

The whole backend runs, each service as a process of its own; the storm comes from another process than the reader whose answers
are timed. In a storm every client repeats what was refused as soon as it was told to, until the time is over. The check of a
session is measured in this process, on a view that knows 10 000 ended ones and has no connection to anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from rich.console import Console
from rich.table import Table

from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.kernel.principal import Principal
from firewalker.local.backend import Backend
from firewalker.runtime.revocation import Revocation, RevocationView
from firewalker.runtime.tokens import LIFETIME
from tests.system.people import AUTH, BOARDS, TODAY, Person, Town
from tests.system.wire import Grpc, Refusal

FRIENDS = 10
READS_PER_S = 100
AT_ONCE = 8
"""Clients that sign in one after the other, for the throughput."""

KNOWN = 10_000
CHECKS = 100_000
CHECK_TARGET_US = 5.0

Figures = dict[str, Any]


def check_cost() -> Figures:
    """Microseconds of one question for a session that lives, and of one for a session that has ended."""
    view = RevocationView("redis://127.0.0.1:1/0")
    now = datetime.now(UTC)

    def somebody() -> Principal:
        return Principal(UserId(new_uuid7()), SessionId(new_uuid7()), "jti", now, now + LIFETIME)

    ended = [somebody() for _ in range(KNOWN)]
    view.learn([Revocation(session_id=who.session_id, reason="LOGOUT") for who in ended])
    costs = {}
    for name, who in (("alive", somebody()), ("ended", ended[KNOWN // 2])):
        start = time.process_time()
        for _ in range(CHECKS):
            view.is_revoked(who)
        costs[name] = (time.process_time() - start) / CHECKS * 1e6
    return {"us": costs, "known": KNOWN, "target_us": CHECK_TARGET_US}


async def outcome_of(call: Callable[[], Awaitable[Any]]) -> Refusal | None:
    """How a call was refused; None for an answer."""
    try:
        await call()
    except grpc.aio.AioRpcError as error:
        return Refusal.of(error)
    return None


async def storm(address: str, clients: int, seconds: float) -> Counter[str]:
    """So many sign in at once with a wrong password, each again when it may; what they were told."""
    user, told, until = Grpc(address), Counter[str](), time.monotonic() + seconds

    async def client(number: int) -> None:
        form = {"email": f"storm{number}@example.org", "password": "a wrong password"}
        while time.monotonic() < until:
            refusal = await outcome_of(lambda: user.unary(f"{AUTH}/Login", form))
            told["OK" if refusal is None else refusal.reason or refusal.code.name] += 1
            if refusal is None or refusal.retry_after_s is None:
                return
            await asyncio.sleep(min(refusal.retry_after_s, max(0.0, until - time.monotonic())))

    await asyncio.gather(*(client(number) for number in range(clients)))
    await user.close()
    return told


async def board_times(town: Town, viewer: Person, seconds: float) -> list[float]:
    """Milliseconds of each read of the board, asked for at a steady rate whatever became of those before."""
    times: list[float] = []

    async def read() -> None:
        start = time.perf_counter()
        await town.step.unary(f"{BOARDS}/GetFriendLeaderboard", {"date": TODAY}, viewer.token)
        times.append((time.perf_counter() - start) * 1000)

    begin, reads = time.monotonic(), set[asyncio.Task[None]]()
    for number in range(int(seconds * READS_PER_S)):
        await asyncio.sleep(max(0.0, begin + number / READS_PER_S - time.monotonic()))
        reads.add(asyncio.create_task(read()))
    await asyncio.gather(*reads)
    return times


def p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


async def logins(town: Town, person: Person, seconds: float) -> Figures:
    """Sign-ins a second with the right password, some at once, each when the one before was answered."""
    done, until = 0, time.monotonic() + seconds

    async def client() -> None:
        nonlocal done
        form = {"email": person.email, "password": person.password}
        while time.monotonic() < until:
            if await outcome_of(lambda: town.user.unary(f"{AUTH}/Login", form)) is None:
                done += 1

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return {"per_second": done / (time.perf_counter() - start), "at_once": AT_ONCE}


async def sociable(town: Town) -> Person:
    """Somebody with friends on the board."""
    viewer, *friends = [await town.person() for _ in range(FRIENDS + 1)]
    for friend in friends:
        await town.befriend(viewer, friend)
        await town.record(friend, 1000)
    await town.know_each_other(viewer, FRIENDS + 1)
    return viewer


async def rush(backend: Backend, town: Town, viewer: Person, *, seconds: float, clients: int) -> Figures:
    """How long reads of a board take before and while so many sign in at once."""
    await board_times(town, viewer, 1.0)
    before = await board_times(town, viewer, seconds)
    command = ["-m", "tests.bench.accounts", "--rage", backend.address("user"), "--storm", str(clients)]
    raging = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--seconds", str(seconds + 1), stdout=asyncio.subprocess.PIPE
    )
    assert raging.stdout is not None
    await raging.stdout.readline()  # it begins
    during = await board_times(town, viewer, seconds)
    told, _ = await raging.communicate()
    return {
        "clients": clients,
        "told": json.loads(told),
        "calm_p99_ms": p99(before),
        "storm_p99_ms": p99(during),
        "calm_p50_ms": statistics.median(before),
        "storm_p50_ms": statistics.median(during),
    }


async def measure(*, seconds: float, clients: int) -> Figures:
    """All of it."""
    quiet = {f"FIREWALKER_{name}_LOG_LEVEL": "error" for name in ("USER", "STEP", "NOTIFICATION", "TRANSCODER")}
    with tempfile.TemporaryDirectory() as folder:
        async with Backend.start(Path(folder), settings=quiet) as backend:
            user, step, notification = (Grpc(backend.address(name)) for name in ("user", "step", "notification"))
            town = Town(user, step, notification)
            viewer, other = await sociable(town), await town.person()
            found: Figures = {"check": check_cost(), "login": await logins(town, other, seconds / 2)}
            found["storm"] = await rush(backend, town, viewer, seconds=seconds, clients=clients)
            for client in (town.user, town.step, town.notification):
                await client.close()
    return found


def show(figures: Figures) -> None:
    """Print the table."""
    table = Table(title="Accounts")
    for heading in ("what", "figure", "target"):
        table.add_column(heading)
    costs, stormy = figures["check"]["us"], figures["storm"]
    table.add_row(
        "check of a session, alive and ended",
        f"{costs['alive']:.2f}, {costs['ended']:.2f} µs",
        f"{CHECK_TARGET_US:g} µs",
    )
    table.add_row(f"sign-ins, {AT_ONCE} at once", f"{figures['login']['per_second']:.1f} a second", "")
    table.add_row("board, p50 and p99", f"{stormy['calm_p50_ms']:.1f}, {stormy['calm_p99_ms']:.1f} ms", "")
    what = f"board while {stormy['clients']} sign in"
    table.add_row(what, f"{stormy['storm_p50_ms']:.1f}, {stormy['storm_p99_ms']:.1f} ms", "p99 2 times that")
    table.add_row("what those were told", ", ".join(f"{n} {name}" for name, n in stormy["told"].items()), "")
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.accounts", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="of each stretch of load")
    parser.add_argument("--storm", type=int, default=500, help="how many sign in at once")
    parser.add_argument("--rage", metavar="ADDRESS", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    if chosen.rage:
        print(flush=True)
        print(json.dumps(asyncio.run(storm(chosen.rage, chosen.storm, chosen.seconds))))
        return
    figures = asyncio.run(measure(seconds=chosen.seconds, clients=chosen.storm))
    show(figures)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
