"""Watchers that do not read, over real sockets: nothing is queued for them, the others are served, and they are ended."""

import asyncio
import os
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import grpc
import pytest
from h2.settings import SettingCodes

from firewalker.kernel.ids import UserId
from firewalker.runtime.grpc import call as calls
from tests.service.grpc.raw import RawClient, framed, grpc_headers
from tests.service.step.reading import (
    SERVICE,
    SIGNER,
    Reader,
    ReadingProcess,
    all_ears,
    group_of_friends,
    reading_process,
    someone,
)

pytestmark = pytest.mark.alone

SLOW, FAST = 120, 5
WALKERS = 4
SECONDS = 4.0
UPDATES_PER_S = 1_000
GROWTH_MIB = 8.0
TODAY = datetime.now(UTC).date()


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.fixture
async def process(step_url: str, redis_url: str) -> AsyncIterator[ReadingProcess]:
    async with reading_process(step_url, redis_url) as process:
        await all_ears(process)
        yield process


async def slow_reader(process: ReadingProcess, user: UserId) -> tuple[RawClient, int]:
    """Watches with a window of nothing: not even the first answer can be sent. The caller enters and leaves it."""
    client = await RawClient(process.server.port).__aenter__()
    client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
    bearer = ("authorization", f"Bearer {SIGNER.token(sub=str(user))}")
    return client, await client.request(grpc_headers(SERVICE + "WatchFriendLeaderboard", bearer), framed(b""))


class Walk:
    """Friends walk; remembers when each count was committed."""

    def __init__(self, process: ReadingProcess, walkers: list[UserId]) -> None:
        self._process = process
        self._walkers = walkers
        self.committed: dict[tuple[str, int], float] = {}

    async def go_on(self, seconds: float) -> None:
        until = monotonic() + seconds
        await asyncio.gather(*(self._one(walker, until) for walker in self._walkers))

    async def _one(self, walker: UserId, until: float) -> None:
        begun, steps = monotonic(), 0
        while (now := monotonic()) < until:
            # As many as are due at that rate: each reading of a batch is an update.
            due = int((now - begun) * UPDATES_PER_S / len(self._walkers))
            if steps >= due:
                await asyncio.sleep(0.005)
                continue
            steps = due
            await self._process.walk(walker, steps, TODAY)
            self.committed[str(walker), steps] = monotonic()


async def lags(reader: Reader, walk: Walk, seconds: float) -> list[float]:
    """How old what is shown is when it arrives."""
    found = []
    watch = reader.watch()
    until = monotonic() + seconds
    while monotonic() < until:
        await watch.next()
        arrived = monotonic()
        shown = [walk.committed.get((user, entry.steps)) for user, entry in watch.entries.items()]
        found += [arrived - committed for committed in shown if committed is not None]
    watch.cancel()
    return found


@pytest.mark.requirement("NET-21")
async def test_slow_watchers_cost_nobody_anything_and_are_ended(
    process: ReadingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "SEND_STALL_S", SECONDS + 2.0)
    walkers = [someone() for _ in range(WALKERS)]
    watchers = [someone() for _ in range(SLOW + FAST)]
    for watcher in watchers:
        await process.tell(*group_of_friends(watcher, walkers))
    async with AsyncExitStack() as stack:
        slow = [await slow_reader(process, user) for user in watchers[:SLOW]]
        for client, _ in slow:
            stack.push_async_exit(client.__aexit__)
        readers = [await stack.enter_async_context(Reader(process, user)) for user in watchers[SLOW:]]
        warm_up = Walk(process, walkers)
        await warm_up.go_on(0.5)
        before = resident_mib()
        walk = Walk(process, walkers)
        walking = asyncio.create_task(walk.go_on(SECONDS))
        seen = await asyncio.gather(*(lags(reader, walk, SECONDS - 1.0) for reader in readers))
        await walking
        assert resident_mib() - before < GROWTH_MIB
        all_lags = sorted(lag for of_one in seen for lag in of_one)
        assert len(all_lags) >= FAST * 2
        assert all_lags[len(all_lags) * 9 // 10] < 1.0
        for client, stream in slow:
            async with asyncio.timeout(60):
                trailers = await client.ended(stream)
            assert trailers["grpc-status"] == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
            assert b"STREAM_STALLED" in b64decode(trailers["grpc-status-details-bin"] + "==")
        assert process.part.boards.streams == 0
