"""Redis with a replica and Sentinels below the whole backend, whose primary is killed while people walk and watch."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from tests.scale.walking import arrived, backend_on, leave, refusal_of, walk
from tests.support.watched_redis import watched_redis
from tests.system.boards import Watcher, over_grpc, watching
from tests.system.people import eventually

WALKERS = 4
WALKS_S = 12.0
"""How long they walk in all; the primary dies a quarter of the way through."""


async def test_a_failover_of_redis_loses_no_step_stops_no_board_and_revives_no_session(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    async with watched_redis(tmp_path / "redis") as redis, backend_on(redis.url, tmp_path / "backend") as (_, town):
        viewer, left = await town.person("Viewer"), await town.person("Left")
        walkers = [await town.person("Walker") for _ in range(WALKERS)]
        for walker in walkers:
            await town.befriend(viewer, walker)
        await town.know_each_other(viewer, 1 + WALKERS)
        await leave(town, left)
        await eventually(lambda: refusal_of(town.step, left.token))

        board = Watcher("viewer", viewer)
        async with watching(board, over_grpc(town.step)):
            over = time.monotonic() + WALKS_S
            walking = [asyncio.create_task(walk(town, walker, over)) for walker in walkers]
            await asyncio.sleep(WALKS_S / 4)
            dead = await redis.primary()
            began = time.monotonic()
            await redis.kill(dead)

            async def promoted() -> bool:
                return await redis.primary() != dead

            await eventually(promoted)
            took = time.monotonic() - began
            reached = await arrived(board, walkers, walking)
        rows = {user: steps for _, user, steps in await town.board(viewer)}
        assert rows == {**reached, viewer.user_id: 0}

        # Who was gone stays gone, and who goes now is gone everywhere.
        assert await refusal_of(town.step, left.token) == "SESSION_REVOKED"
        parting = walkers[0]
        await leave(town, parting)
        assert await eventually(lambda: refusal_of(town.step, parting.token)) == "SESSION_REVOKED"
        sys.stdout.write(f"\nSentinel failover: {took:.1f} s, {sum(reached.values())} uploads, none failed\n")
