"""The main job: a step goes from a walker's stream to a friend's screen, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import pytest

from firewalker.local.backend import Backend
from firewalker.runtime.mysql import Database
from tests.support.databases import flush
from tests.system.boards import Watcher, over_grpc, over_sse, watching
from tests.system.people import TODAY, Town, eventually
from tests.system.trackers import GrpcioTracker, GrpclibTracker, Tracker

SHOWN_WITHIN_S = 2.0
"""The promise of the contract: a board shows an acknowledged reading within 2 s."""

STORM_STEP = 3


@asynccontextmanager
async def walkers(town: Town, backend: Backend) -> AsyncIterator[list[Tracker]]:
    """Five people with apps."""
    address = backend.address("step")
    people = [await town.person(f"Walker{letter}") for letter in "ABCDE"]
    trackers: list[Tracker] = [GrpcioTracker(person, address) for person in people[:3]]
    trackers += [GrpclibTracker(person, address) for person in people[3:]]
    yield trackers
    for tracker in trackers:
        await tracker.finish()


@pytest.mark.requirement("DATA-25", "DATA-30")
@pytest.mark.alone
async def test_five_walkers_two_watchers_a_kill_and_an_emptied_redis(
    town: Town, rest: httpx.AsyncClient, backend: Backend
) -> None:
    async with walkers(town, backend) as trackers:
        sixth, seventh = await town.person("Sixth"), await town.person("Seventh")
        for tracker in trackers:
            await town.befriend(tracker.person, sixth)
            await town.befriend(tracker.person, seventh)
        for viewer in (sixth, seventh):
            await town.know_each_other(viewer, len(trackers) + 1)
        async with (
            watching(Watcher("over gRPC", sixth), over_grpc(town.step)) as native,
            watching(Watcher("over SSE", seventh), over_sse(rest)) as browser,
        ):
            await asyncio.gather(*(tracker.walk_to(100 + 10 * place) for place, tracker in enumerate(trackers)))
            for place in (0, 3, 1, 4, 2, 0):
                await _overtake_all(trackers, place)
                await _both_see(trackers, native, browser, SHOWN_WITHIN_S)

            await _storm(trackers, backend)
            assert all(tracker.reopened for tracker in trackers)

            # The streams come back by themselves; from then on the promise holds again.
            await _both_see(trackers, native, browser, within_s=60)
            for place in (2, 4, 1):
                await _overtake_all(trackers, place)
                await _both_see(trackers, native, browser, SHOWN_WITHIN_S)
            assert (native.fell, browser.fell) == ([], [])
            assert native.streams > 1
            assert browser.streams > 1

        await _check_ledger(trackers, backend)
        for tracker in trackers:
            assert (await town.board(tracker.person))[0][2] == tracker.acknowledged[10]


async def _overtake_all(trackers: Sequence[Tracker], place: int) -> None:
    best = max(max(tracker.acknowledged.values()) for tracker in trackers)
    total = await trackers[place].walk_to(best + 10)
    assert total == best + 10


async def _both_see(trackers: Sequence[Tracker], native: Watcher, browser: Watcher, within_s: float) -> None:
    """Both watchers show the walkers in the order of what was acknowledged."""
    order = [tracker.person.user_id for tracker in sorted(trackers, key=lambda tracker: -tracker.acknowledged[10])]
    await asyncio.gather(native.sees(order, within_s), browser.sees(order, within_s))


async def _storm(trackers: Sequence[Tracker], backend: Backend) -> None:
    """Everybody sends without a pause while the step service is killed and Redis is emptied."""
    over = asyncio.Event()

    async def walk(tracker: Tracker) -> None:
        steps = tracker.acknowledged[10]
        while not over.is_set():
            steps += STORM_STEP
            await tracker.walk_to(steps)

    async with asyncio.TaskGroup() as group:
        for tracker in trackers:
            group.create_task(walk(tracker))
        await _some_progress(trackers)
        await backend.kill("step")
        await backend.wait_ready("step")
        await _some_progress(trackers)
        await flush(backend.setting("step", "REDIS_URL"))
        await _some_progress(trackers)
        over.set()
    # No ties, so that the order is certain.
    for place, tracker in enumerate(trackers):
        best = max(max(other.acknowledged.values()) for other in trackers)
        await tracker.walk_to(best + 1 + place)


async def _some_progress(trackers: Sequence[Tracker], messages: int = 20) -> None:
    """Wait until everybody has had *messages* more acknowledged."""
    wanted = {tracker: tracker.acknowledged[10] + messages * STORM_STEP for tracker in trackers}

    async def reached() -> bool:
        return all(tracker.acknowledged[10] >= steps for tracker, steps in wanted.items())

    await eventually(reached, within_s=60)


async def _check_ledger(trackers: Sequence[Tracker], backend: Backend) -> None:
    """Every acknowledged count is in MySQL, and nothing is that was not sent."""
    async with Database(backend.setting("step", "MYSQL_URL")) as database, database.reading() as tx:
        for tracker in trackers:
            for hour, acknowledged in tracker.acknowledged.items():
                (stored,) = await tx.one(
                    f"SELECT h{hour:02d} FROM day_device WHERE user_id = %s AND date = %s AND device_id = %s AND late = 0",  # noqa: S608
                    (UUID(tracker.person.user_id).bytes, TODAY, "phone"),
                )
                assert acknowledged <= stored <= tracker.sent[hour]
