"""The load proof: a steady 5 000 readings a second, and 1 000 watchers who have to see them.

    python -m tests.bench.live [--seconds 20] [--walkers 2000] [--watchers 1000] [--boards quiet busy] [--json FILE]

The step service runs as its own process on core 0, the load on the others, MySQL and Redis as in `track_steps`. The load is
open: every walker has a stream and sends five readings at its own moment, every two seconds, whether or not the server keeps up,
and times are counted from that moment. Every watcher has a board of 20 friends. *Quiet* boards have one friend who walks, as
most have at any moment; on *busy* ones all 20 do, so that every frame waits for the second that frames are apart.

Ack: from when a message was to be sent to its answer. Freshness: from that answer to the frame on a friend's screen that shows
the steps, or more. The load collects no garbage meanwhile: its pauses would count as the server's. Every answer is checked, and
at the end every watcher has to have been shown the last total.
"""

import argparse
import asyncio
import gc
import json
import math
import os
import random
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc.aio

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.local.secrets import Secrets, make_secrets
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.step.domain.facts import WalkerNews
from firewalker.step.store import bonds, walkers
from tests.bench.track_steps import cpu_us, servers, step_service, token
from tests.support.databases import fresh_database

EVERY_S = 2.0
"""Between two messages of a walker."""

HOURS = (5, 6, 7, 8, 9)
"""Of each message: five readings."""

WARM_S = 4.0
"""At the start, while streams and connections are being opened, no times are counted."""

BOARDS = ("quiet", "busy")
FRIENDS = 20
STREAMS_PER_CHANNEL = 50
OPENING = 50
"""Boards being opened at once."""

LAST_FRAME_S = 10.0
"""How long the last totals may take to be shown."""

TARGETS = {"ack_p99_ms": 50, "fresh_p50_ms": 300, "fresh_p99_ms": 1_200}
"""What p50 and p99 may be at most, in milliseconds: of acknowledgements, and of what is shown after them."""

TrackRequest = message_class("firewalker.step.v1.TrackStepsRequest")
TrackResponse = message_class("firewalker.step.v1.TrackStepsResponse")
WatchRequest = message_class("firewalker.step.v1.WatchFriendLeaderboardRequest")
WatchResponse = message_class("firewalker.step.v1.WatchFriendLeaderboardResponse")


@dataclass
class Walker:
    """Somebody who walks one step an hour with every message, and what is known of it."""

    user: UserId = field(default_factory=lambda: UserId(new_uuid7()))
    sent: int = 0
    acknowledged: dict[int, float] = field(default_factory=dict)
    """When each total was acknowledged."""
    ack_ms: list[float] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.sent * len(HOURS)


@dataclass
class Watcher:
    """Somebody who looks at one walker, on a board of 20."""

    subject: Walker
    user: UserId = field(default_factory=lambda: UserId(new_uuid7()))
    shown: int = 0
    fresh_ms: list[float] = field(default_factory=list)

    def see(self, steps: int, count_from: float) -> None:
        """A frame shows that many steps of the walker."""
        now = time.monotonic()
        first = self.shown + len(HOURS)
        self.shown = steps
        if now < count_from:
            return
        for total in range(first, steps + 1, len(HOURS)):
            at = self.subject.acknowledged.get(total)
            # What is seen before its answer is here is as fresh as can be.
            self.fresh_ms.append(0.0 if at is None else (now - at) * 1000)


@dataclass
class Start:
    """How watchers come in, and when it counts."""

    opening: asyncio.Semaphore
    seated: asyncio.Barrier
    count_from: float = math.inf


async def befriend(mysql_url: str, crowd: Sequence[UserId], pairs: Sequence[tuple[UserId, UserId]]) -> None:
    """Everybody is known, and friends as *pairs* say."""
    now = datetime.now(UTC)
    async with Database(mysql_url) as database:
        for start in range(0, len(crowd), 500):
            news = [WalkerNews(user, f"n{user.hex[-12:]}", "", now, "UTC") for user in crowd[start : start + 500]]
            async with database.transaction() as tx:
                await walkers.save(tx, news)
        for start in range(0, len(pairs), 500):
            async with database.transaction() as tx:
                await bonds.befriend(tx, [(one, other, now, now) for one, other in pairs[start : start + 500]])


def friendships(
    watching: Sequence[Watcher], walking: Sequence[Walker], *, busy: bool
) -> Iterator[tuple[UserId, UserId]]:
    """Each watcher's walker, and 19 more: of those who walk, or of people who never do."""
    idle = [UserId(new_uuid7()) for _ in range(FRIENDS)]
    for watcher in watching:
        yield watcher.user, watcher.subject.user
        others = random.sample(walking, FRIENDS) if busy else idle
        rest = [other.user if isinstance(other, Walker) else other for other in others]
        for other in [user for user in rest if user != watcher.subject.user][: FRIENDS - 1]:
            yield watcher.user, other


async def walk(
    channel: grpc.aio.Channel, walker: Walker, metadata: Any, today: date, *, count_from: float, until: float
) -> None:
    """Send at the walker's own moments; check every answer."""
    due = time.monotonic() + random.uniform(0, EVERY_S)
    await asyncio.sleep(due - time.monotonic())
    call = channel.stream_stream(
        "/firewalker.step.v1.StepService/TrackSteps", TrackRequest.SerializeToString, TrackResponse.FromString
    )(metadata=metadata)
    moments: deque[float] = deque()

    async def answers() -> None:
        async for answer in call:
            now = time.monotonic()
            assert [result.verdict for result in answer.results] == [1] * len(HOURS)
            walker.acknowledged[answer.days[0].total] = now
            moment = moments.popleft()
            if moment >= count_from:
                walker.ack_ms.append((now - moment) * 1000)

    reading = asyncio.create_task(answers())
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        walker.sent += 1
        moments.append(due)
        request = TrackRequest(message_id=str(walker.sent))
        for hour in HOURS:
            request.readings.add(device_id="phone", date=str(today), hour=hour, steps=walker.sent)
        await call.write(request)
        due += EVERY_S
    await call.done_writing()
    await reading


async def watch(
    channel: grpc.aio.Channel,
    watcher: Watcher,
    metadata: Any,
    today: date,
    start: "Start",
) -> None:
    """Follow the board until cancelled. Not all boards are opened at once: nobody's screens are switched on together."""
    method = channel.unary_stream(
        "/firewalker.step.v1.LeaderboardService/WatchFriendLeaderboard",
        WatchRequest.SerializeToString,
        WatchResponse.FromString,
    )
    subject = str(watcher.subject.user)
    async with start.opening:
        call = method(WatchRequest(date=str(today)), metadata=metadata)
        update = await call.read()
    await start.seated.wait()
    try:
        while True:
            entries = update.snapshot.entries if update.HasField("snapshot") else update.changes.entries
            for entry in entries:
                if entry.user_id == subject and entry.steps > watcher.shown:
                    watcher.see(entry.steps, start.count_from)
            update = await call.read()
    finally:
        call.cancel()


async def proof(
    server: tuple[str, int],
    secrets: Secrets,
    walking: Sequence[Walker],
    watching: Sequence[Watcher],
    seconds: float,
    *,
    begin: Callable[[], Awaitable[None]] | None = None,
) -> dict[str, object]:
    """Load the service, and sum up. What *begin* does, if given, comes just before it counts."""
    target, pid = server
    today = datetime.now(UTC).date()
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
            )
            for _ in range(0, len(walking) + len(watching), STREAMS_PER_CHANNEL)
        ]
        place = iter([channel for channel in channels for _ in range(STREAMS_PER_CHANNEL)])
        users = [*(one.user for one in watching), *(one.user for one in walking)]
        tokens = {user: token(secrets, user) for user in users}
        start = Start(asyncio.Semaphore(OPENING), asyncio.Barrier(len(watching) + 1))
        screens = [
            asyncio.create_task(watch(next(place), watcher, tokens[watcher.user], today, start)) for watcher in watching
        ]
        await start.seated.wait()
        gc.collect()
        gc.freeze()
        gc.disable()
        count_from = start.count_from = time.monotonic() + WARM_S
        until = count_from + seconds
        steps = [
            asyncio.create_task(
                walk(next(place), walker, tokens[walker.user], today, count_from=count_from, until=until)
            )
            for walker in walking
        ]
        if begin is not None:
            await begin()
        await asyncio.sleep(count_from - time.monotonic())
        since, before = time.monotonic(), cpu_us(pid)
        await asyncio.gather(*steps)
        took, used = time.monotonic() - since, cpu_us(pid) - before
        async with asyncio.timeout(LAST_FRAME_S):
            while any(watcher.shown < watcher.subject.total for watcher in watching):
                assert not any(screen.done() for screen in screens)
                await asyncio.sleep(0.05)
        for screen in screens:
            screen.cancel()
        await asyncio.gather(*screens, return_exceptions=True)
        gc.enable()
        gc.unfreeze()
    acks = sorted(ms for walker in walking for ms in walker.ack_ms)
    fresh = sorted(ms for watcher in watching for ms in watcher.fresh_ms)
    return {
        "readings_per_second": round(len(acks) * len(HOURS) / took),
        "ack_p50_ms": at(acks, 50),
        "ack_p99_ms": at(acks, 99),
        "fresh_p50_ms": at(fresh, 50),
        "fresh_p99_ms": at(fresh, 99),
        "server_core_percent": round(used / took / 10_000),
    }


def at(values: Sequence[float], percent: int) -> float:
    return round(values[min(len(values) - 1, len(values) * percent // 100)], 1)


async def run(options: argparse.Namespace) -> list[dict[str, object]]:
    """Quiet boards, then busy ones."""
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
    report = []
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "servers") as backing:
        secrets = make_secrets(Path(folder) / "secrets")
        for boards in options.boards:
            walking = [Walker() for _ in range(options.walkers)]
            watching = [Watcher(walking[number % len(walking)]) for number in range(options.watchers)]
            async with fresh_database(backing) as mysql_url:
                await migrate(mysql_url, files("firewalker.step.store") / "schema")
                crowd = [*(one.user for one in walking), *(one.user for one in watching)]
                await befriend(mysql_url, crowd, list(friendships(watching, walking, busy=boards == "busy")))
                async with step_service(mysql_url, backing.redis_url(), secrets) as server:
                    report.append(
                        {"boards": boards, **await proof(server, secrets, walking, watching, options.seconds)}
                    )
    return report


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--walkers", type=int, default=2_000)
    parser.add_argument("--watchers", type=int, default=1_000)
    parser.add_argument("--boards", nargs="+", choices=BOARDS, default=BOARDS)
    parser.add_argument("--json", default="")
    chosen = parser.parse_args()
    report = asyncio.run(run(chosen))
    for row in report:
        print("  ".join(f"{name}: {value}" for name, value in row.items()))
    print("targets:", "  ".join(f"{name}: {value}" for name, value in TARGETS.items()))
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
