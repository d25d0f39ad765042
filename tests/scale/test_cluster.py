"""A Redis Cluster of six below the whole backend, one of whose primaries is killed while people walk, watch and leave."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from uuid import UUID

import grpc
import pytest

from firewalker.local.backend import Backend
from firewalker.runtime.mysql import Database
from firewalker.runtime.redis import RedisUnavailable, connect
from firewalker.runtime.revocation import STALE_S, STREAM
from firewalker.runtime.revocation.doubts import BELIEVE_S
from firewalker.step.live.buckets import Buckets
from firewalker.step.live.shares import share_of, shares
from firewalker.step.store import days
from tests.scale.walking import arrived, backend_on, leave, refusal_of, walk
from tests.support.clustered_redis import ClusteredRedis, clustered_redis
from tests.system.boards import Watcher, over_grpc, watching
from tests.system.people import AUTH, TODAY, Person, eventually
from tests.system.wire import Grpc, Refusal

WALKERS = 12
WALKS_S = 15.0
"""How long they walk in all; the primary dies a fifth of the way through."""

GUESSES = 5
"""Wrong passwords that one account takes at once, from all processes together (`user/throttles.py`)."""

SLACK_S = 1.0
"""For the calls of this test themselves, which compete with all six servers and the backend for two processors."""

ADMITTED_S = STALE_S + BELIEVE_S + SLACK_S
"""How long the token of whoever leaves may live on while the stream of ended sessions is away: a process that hears nothing
asks MySQL after `STALE_S`, and believes what it heard for `BELIEVE_S`."""


async def guesses(doors: Sequence[Grpc], person: Person) -> int:
    """How many wrong passwords are looked at before they are too many, by turns at every process."""
    wrong = {"email": person.email, "password": "wrong-password-of-somebody"}
    reasons: list[str] = []
    while len(reasons) < 2 * GUESSES and reasons[-1:] != ["RATE_EXCEEDED"]:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await doors[len(reasons) % len(doors)].unary(f"{AUTH}/Login", wrong)
        reasons.append(Refusal.of(refused.value).reason)
    return reasons.count("BAD_CREDENTIALS")


async def admitted_for(doors: Sequence[Grpc], person: Person) -> float:
    """How long some process goes on taking the token of *person*, whose session has ended, in seconds."""
    began = time.monotonic()

    async def refused(door: Grpc) -> float:
        while await refusal_of(door, person.token) != "SESSION_REVOKED":
            assert time.monotonic() - began < 20
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    return max(await asyncio.gather(*(refused(door) for door in doors)))


async def totals_in_redis(redis: ClusteredRedis, users: Sequence[bytes]) -> dict[bytes, int] | None:
    """What Redis holds of *users*, each in the share that it belongs to; None while any share is incomplete."""
    found: dict[bytes, int] = {}
    for share in shares(redis.url):
        some = [user for user in users if share_of(user, share.of) == share.number]
        client = connect(redis.url, share.tag)
        try:
            answer = await Buckets(client, os.urandom(8), share).read(date.fromisoformat(TODAY), some, 1.0)
        except RedisUnavailable:
            return None
        finally:
            await client.aclose()
        if answer is None:
            return None
        found |= {user: total.total for user, total in zip(some, answer, strict=True) if total is not None}
    return found


async def totals_in_mysql(backend: Backend, users: Sequence[bytes]) -> dict[bytes, int]:
    keys = [(user, date.fromisoformat(TODAY)) for user in users]
    async with Database(backend.setting("step", "MYSQL_URL"), pool_size=1) as database, database.reading() as tx:
        return {user: total.total for (user, _), total in (await days.find_totals(tx, keys)).items()}


async def test_a_primary_that_dies_costs_no_step_no_board_and_no_ended_session(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    settings = {"FIREWALKER_USER_WORKERS": "2", "FIREWALKER_USER_EXEMPT_NETWORKS": "192.0.2.0/24"}  # not this machine
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(clustered_redis(tmp_path / "redis"))
        backend, town = await stack.enter_async_context(backend_on(redis.url, tmp_path / "backend", settings))

        def doors(service: str, number: int = 6) -> list[Grpc]:
            """Clients with connections of their own, so that every process of the service is likely to have some."""
            made = [Grpc(backend.address(service)) for _ in range(number)]
            for one in made:
                stack.push_async_callback(one.close)
            return made

        viewer, left, leaving = [await town.person(name) for name in ("Viewer", "Left", "Leaving")]
        walkers = [await town.person("Walker") for _ in range(WALKERS)]
        for walker in walkers:
            await town.befriend(viewer, walker)
        await town.know_each_other(viewer, 1 + WALKERS)
        await leave(town, left)
        steps_doors, user_doors = doors("step"), doors("user")
        usually = await admitted_for(steps_doors, left)
        assert await guesses(user_doors, viewer) == GUESSES

        board = Watcher("viewer", viewer)
        async with watching(board, over_grpc(town.step)):
            over = time.monotonic() + WALKS_S
            walking = [asyncio.create_task(walk(town, walker, over)) for walker in walkers]
            await asyncio.sleep(WALKS_S / 5)
            # The one with the stream of ended sessions, which every process follows.
            dead = await redis.primary_of(STREAM)
            began = time.monotonic()
            await redis.kill(dead)
            await leave(town, leaving)
            meanwhile = asyncio.create_task(admitted_for(steps_doors, leaving))

            async def promoted() -> bool:
                return await redis.primary_of(STREAM) != dead

            await eventually(promoted)
            took = time.monotonic() - began
            await redis.restart(dead)  # empty, and a replica from now on
            reached = await arrived(board, walkers, walking)
        assert await meanwhile < ADMITTED_S
        rows = {user: steps for _, user, steps in await town.board(viewer)}
        assert rows == {**reached, viewer.user_id: 0}

        # MySQL has what was acknowledged, and Redis what MySQL has.
        ids = {walker.user_id: UUID(walker.user_id).bytes for walker in walkers}
        truth = await totals_in_mysql(backend, list(ids.values()))
        assert {user: truth[key] for user, key in ids.items()} == reached

        async def equal() -> bool:
            return await totals_in_redis(redis, list(ids.values())) == truth

        await eventually(equal)

        # Who was gone stays gone, who goes now is gone everywhere, and guesses are counted together again.
        for person in (left, leaving):
            assert {await refusal_of(door, person.token) for door in doors("step")} == {"SESSION_REVOKED"}
        await leave(town, walkers[0])
        again = await admitted_for(steps_doors, walkers[0])
        assert await guesses(user_doors, walkers[1]) == GUESSES
        sys.stdout.write(
            f"\nRedis Cluster failover: {took:.1f} s, {sum(reached.values())} uploads, none failed; an ended session was let in "
            f"for {usually:.2f} s before, {await meanwhile:.2f} s during, {again:.2f} s after it\n"
        )
