"""Leaderboards: server CPU per board read and per pushed frame, beside a bare grpc.aio server in the same run.

    python -m tests.bench.leaderboard [--seconds 4] [--runs 3] [--watchers 400] [--json FILE]

The step service runs as its own process on core 0, the load on the others, MySQL and Redis as in `track_steps`. Reads: boards
of 5, 50 and 200 friends, warm, every answer checked for its size and order. Pushes: each watcher has a board of its own with
20 friends; one walker whom all of them know takes a step a second, so every board has one changed row a second; every watcher
has to be told every total. What the process uses while all watch and nobody walks is measured before: without it, the second
figure is what one more frame costs. The bare server answers with a message of the same size, made and serialised each time, and
pushes the same changes to as many streams, with nothing behind it.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import grpc.aio

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.local.secrets import Secrets, make_secrets
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.step.domain.day import to_ms
from firewalker.step.domain.facts import WalkerNews
from firewalker.step.store import bonds, days, walkers
from tests.bench.serving import terminated
from tests.bench.track_steps import cpu_us, process, servers, step_service, token
from tests.support.databases import fresh_database

SERVICE = "firewalker.step.v1.LeaderboardService"
SIZES = (5, 50, 200)
READ_TARGET_US = {200: 900}
PUSH_TARGET_US = 40
"""Server CPU that a read of so many friends, and a frame to one watcher, may take."""

BOARD_OF_WATCHERS = 20
STREAMS_PER_CHANNEL = 25
READERS = 8
ECHO_BOARD = "echo-board-"
IDLE_S = 3.0
"""How long it is looked what the process uses while nobody walks."""

GetRequest = message_class("firewalker.step.v1.GetFriendLeaderboardRequest")
GetResponse = message_class("firewalker.step.v1.GetFriendLeaderboardResponse")
WatchRequest = message_class("firewalker.step.v1.WatchFriendLeaderboardRequest")
WatchResponse = message_class("firewalker.step.v1.WatchFriendLeaderboardResponse")
RecordRequest = message_class("firewalker.step.v1.RecordStepsRequest")
RecordResponse = message_class("firewalker.step.v1.RecordStepsResponse")


def fill(entries: Any, count: int, steps: int) -> None:
    for rank in range(1, count + 1):
        entries.add(
            rank=rank, user_id=str(UUID(int=rank)), nickname=f"walker {rank}", steps=steps - rank, state=1, freshness=1
        )


async def serve_echo() -> None:
    """Boards and frames out of nothing: what grpc.aio itself costs."""

    async def get(request: Any, _: Any) -> Any:
        answer = GetResponse()
        answer.leaderboard.version = request.date
        fill(answer.leaderboard.entries, int(request.date.removeprefix(ECHO_BOARD)) + 1, 100_000)
        return answer

    async def watch(request: Any, _: Any) -> AsyncIterator[Any]:
        for steps in range(1, int(request.date.removeprefix(ECHO_BOARD)) + 1):
            answer = WatchResponse()
            fill(answer.changes.entries, 1, steps + 1)
            yield answer
            await asyncio.sleep(1)

    server = grpc.aio.server()
    handlers = {
        "GetFriendLeaderboard": grpc.unary_unary_rpc_method_handler(
            get, GetRequest.FromString, GetResponse.SerializeToString
        ),
        "WatchFriendLeaderboard": grpc.unary_stream_rpc_method_handler(
            watch, WatchRequest.FromString, WatchResponse.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await terminated()
    await server.stop(1)


async def people(mysql_url: str, sizes: Sequence[int], watchers: int) -> tuple[dict[int, UserId], list[UserId], UserId]:
    """Walkers, friendships and readings in MySQL: one viewer per size, watchers, and the walker they all know."""
    now = datetime.now(UTC)
    viewers = {size: UserId(new_uuid7()) for size in sizes}
    crowd = [UserId(new_uuid7()) for _ in range(max(*sizes, BOARD_OF_WATCHERS))]
    watching = [UserId(new_uuid7()) for _ in range(watchers)]
    everybody = [*viewers.values(), *crowd, *watching]
    pairs = [(viewer, friend) for size, viewer in viewers.items() for friend in crowd[:size]]
    pairs += [(viewer, friend) for viewer in watching for friend in crowd[:BOARD_OF_WATCHERS]]
    async with Database(mysql_url) as database:
        for start in range(0, len(everybody), 500):
            some = everybody[start : start + 500]
            async with database.transaction() as tx:
                await walkers.save(tx, [WalkerNews(user, f"n{user.hex[-12:]}", "", now, "UTC") for user in some])
        for start in range(0, len(pairs), 500):
            async with database.transaction() as tx:
                await bonds.befriend(tx, [(one, other, now, now) for one, other in pairs[start : start + 500]])
        rises = [
            days.Rise(user.bytes, now.date(), "phone", False, 1, to_ms(now), to_ms(now), 0, (100 + number,))  # noqa: FBT003
            for number, user in enumerate(crowd)
        ]
        async with database.transaction() as tx:
            await days.raise_counts(tx, (0,), rises)
    return viewers, watching, crowd[0]


async def reads(target: str, pid: int, size: int, *, seconds: float, date: str, metadata: Any) -> tuple[float, float]:
    """Server CPU µs per read, and reads a second."""
    done = 0
    async with grpc.aio.insecure_channel(target) as channel:
        get = channel.unary_unary(
            f"/{SERVICE}/GetFriendLeaderboard",
            request_serializer=GetRequest.SerializeToString,
            response_deserializer=GetResponse.FromString,
        )
        request = GetRequest(date=date)

        async def read_until(end: float) -> None:
            nonlocal done
            while time.monotonic() < end:
                entries = (await get(request, metadata=metadata, timeout=10)).leaderboard.entries
                assert len(entries) == size + 1
                assert entries[0].steps >= entries[size - 1].steps
                done += 1

        await asyncio.gather(*(read_until(time.monotonic() + 0.5) for _ in range(READERS)))
        done, begin, before = 0, time.monotonic(), cpu_us(pid)
        await asyncio.gather(*(read_until(begin + seconds) for _ in range(READERS)))
        return (cpu_us(pid) - before) / done, done / (time.monotonic() - begin)


async def pushes(
    target: str,
    pid: int,
    watching: Sequence[UserId],
    walker: UserId,
    *,
    seconds: int,
    secrets: Secrets | None,
    start: int,
) -> tuple[float, float, float]:
    """Server CPU µs per frame pushed to a watcher, the same without what is used idle, and KiB per watcher.

    *start* is the walker's first new total.
    """
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
            )
            for _ in range(0, len(watching), STREAMS_PER_CHANNEL)
        ]
        told = [0] * len(watching)
        empty = rss_kib(pid)
        frames = 0
        ready = asyncio.Barrier(len(watching) + 1)

        async def watch(number: int) -> None:
            nonlocal frames
            call = channels[number // STREAMS_PER_CHANNEL].unary_stream(
                f"/{SERVICE}/WatchFriendLeaderboard",
                request_serializer=WatchRequest.SerializeToString,
                response_deserializer=WatchResponse.FromString,
            )(
                WatchRequest() if secrets else WatchRequest(date=f"{ECHO_BOARD}{seconds + 2}"),
                metadata=token(secrets, watching[number]) if secrets else None,
            )
            await call.read()
            await ready.wait()
            while told[number] < start + seconds - 1 if secrets else told[number] < seconds:
                update = await call.read()
                for entry in update.changes.entries:
                    told[number] = entry.steps if entry.user_id == str(walker) or not secrets else told[number]
                frames += 1
            call.cancel()

        async with asyncio.timeout(60 + seconds * 3), asyncio.TaskGroup() as tasks:
            for number in range(len(watching)):
                tasks.create_task(watch(number))
            await ready.wait()
            memory = (rss_kib(pid) - empty) / len(watching)
            idle_us_a_s = await idle(pid) if secrets else 0.0
            began, before = time.monotonic(), cpu_us(pid)
            if secrets:
                record = channels[0].unary_unary(
                    "/firewalker.step.v1.StepService/RecordSteps",
                    request_serializer=RecordRequest.SerializeToString,
                    response_deserializer=RecordResponse.FromString,
                )
                metadata = token(secrets, walker)
                for steps in range(start, start + seconds):
                    await asyncio.sleep(1.05)
                    request = RecordRequest()
                    request.readings.add(
                        device_id="phone", date=datetime.now(UTC).date().isoformat(), hour=0, steps=steps
                    )
                    await record(request, metadata=metadata, timeout=10)
        used, took = cpu_us(pid) - before, time.monotonic() - began
        return used / frames, (used - idle_us_a_s * took) / frames, memory


async def idle(pid: int) -> float:
    """CPU µs a second of a process of which nobody wants anything."""
    before = cpu_us(pid)
    await asyncio.sleep(IDLE_S)
    return (cpu_us(pid) - before) / IDLE_S


def rss_kib(pid: int) -> int:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


async def measure(options: argparse.Namespace) -> list[dict[str, object]]:
    """The lines of the table."""
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
    figures: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}

    def note(name: str, cost: float, rate: float = 0.0) -> None:
        figures.setdefault(name, []).append(cost)
        rates.setdefault(name, []).append(rate)

    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "servers") as backing:
        secrets = make_secrets(Path(folder) / "secrets")
        async with fresh_database(backing) as mysql_url:
            await migrate(mysql_url, files("firewalker.step.store") / "schema")
            viewers, watching, walker = await people(mysql_url, SIZES, options.watchers)
            today = datetime.now(UTC).date().isoformat()
            command = [sys.executable, "-m", "tests.bench.leaderboard", "--serve-echo"]
            async with step_service(mysql_url, backing.redis_url(), secrets) as (target, pid):
                with process(command, {}) as echo:
                    assert echo.stdout is not None
                    bare = f"127.0.0.1:{int(echo.stdout.readline())}"
                    for run in range(options.runs):
                        for size in SIZES:
                            metadata = token(secrets, viewers[size])
                            note(
                                f"read {size}",
                                *await reads(target, pid, size, seconds=options.seconds, date=today, metadata=metadata),
                            )
                            asked = f"{ECHO_BOARD}{size}"
                            note(
                                f"bare {size}",
                                *await reads(bare, echo.pid, size, seconds=options.seconds, date=asked, metadata=None),
                            )
                        seconds = max(4, int(options.seconds))
                        start = 10_000 + 100 * run
                        gross, net, kib = await pushes(
                            target, pid, watching, walker, seconds=seconds, secrets=secrets, start=start
                        )
                        note("push", gross, kib)
                        note("net_push", net)
                        gross, _, _ = await pushes(
                            bare, echo.pid, watching, walker, seconds=seconds, secrets=None, start=1
                        )
                        note("bare push", gross)
    return [
        *(row(f"read {size}", f"bare {size}", figures, rates, READ_TARGET_US.get(size)) for size in SIZES),
        row("push", "bare push", figures, {}, PUSH_TARGET_US) | {"kib_a_watcher": round(max(rates["push"]), 1)},
        # The bare server's idle use was not taken off: no ratio.
        row("net_push", "bare push", figures, {}, PUSH_TARGET_US) | {"bare_us": "", "ratio": ""},
    ]


def show(report: Sequence[dict[str, object]]) -> None:
    names = list(report[0])
    print("  ".join(f"{name:>13}" for name in names))
    for line in report:
        print("  ".join(f"{line[name]!s:>13}" for name in names))


def row(
    name: str, bare: str, figures: dict[str, list[float]], rates: dict[str, list[float]], target: int | None
) -> dict[str, object]:
    cost, floor = statistics.median(figures[name]), statistics.median(figures[bare])
    return {
        "what": name,
        "cpu_us": round(cost, 1),
        "target_us": target or "",
        "bare_us": round(floor, 1),
        "ratio": round(cost / floor, 2),
        "per_second": round(statistics.median(rates[name])) if name in rates else "",
        "kib_a_watcher": "",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--watchers", type=int, default=400)
    parser.add_argument("--json", default="")
    parser.add_argument("--serve-echo", action="store_true")
    chosen = parser.parse_args()
    if chosen.serve_echo:
        asyncio.run(serve_echo())
    else:
        measured = asyncio.run(measure(chosen))
        show(measured)
        if chosen.json:
            Path(chosen.json).write_text(json.dumps(measured, indent=2) + "\n")
