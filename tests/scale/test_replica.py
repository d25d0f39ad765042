"""The whole backend on a primary and a replica that answers reads: followed, late, hung, and promoted when the primary dies."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING

import grpc
import pytest

from firewalker.local.backend import Backend
from firewalker.local.binaries import Binary
from firewalker.local.plan import DATABASES
from firewalker.runtime.mysql import Database
from firewalker.runtime.mysql.positions import GTIDS
from tests.scale.real_mysql import servers
from tests.support.replication import Pair
from tests.system.people import TODAY, Person, Town, eventually
from tests.system.wire import Grpc, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

STATS = "firewalker.step.v1.StatsService"

OWN_TOTALS = "%GROUP_CONCAT(TO_DAYS(date)%"
"""What statistics begin with, and nothing else asks for."""

FRIENDS_TOTALS = "%CAST(SUM(steps) AS SIGNED), COUNT(*),%"

WALKERS = 4
READERS = 4
"""Connections that are read over, to two processes."""

READS = 40
LATE_S = 3
HUNG_S = 4.0
WALKS_S = 10.0
PAUSE_S = 0.05


@dataclass
class Walk:
    """What became of one person's uploads."""

    person: Person
    steps: int = 0
    """The last that was acknowledged."""
    acknowledged: list[float] = field(default_factory=list)
    """When each of them was."""
    refused: list[str] = field(default_factory=list)


@dataclass
class Readers(Town):
    """A town whose people read over other connections than they write over: mostly through the other process."""

    readers: Iterator[Grpc] = field(default_factory=lambda: iter(()))


@asynccontextmanager
async def backend_on(pair: Pair, folder: Path) -> AsyncIterator[Readers]:
    settings = {f"FIREWALKER_{name.upper()}_MYSQL_URL": pair.url(database) for name, database in DATABASES.items()}
    settings |= {
        f"FIREWALKER_{name.upper()}_MYSQL_REPLICA_URL": pair.replica_url(database)
        for name, database in DATABASES.items()
    }
    settings["FIREWALKER_STEP_WORKERS"] = "2"
    async with Backend.start(folder, settings=settings, within_s=120) as backend:
        names = ("user", "step", "notification", *["step"] * READERS)
        clients = [Grpc(backend.address(name)) for name in names]
        try:
            yield Readers(clients[0], clients[1], clients[2], readers=cycle(clients[3:]))
        finally:
            for client in clients:
                await client.close()


async def total(town: Readers, person: Person, period: str = "MONTH") -> int:
    """The person's own steps, as their statistics tell them."""
    asked = {"period": period, "date": TODAY}
    return int((await next(town.readers).unary(f"{STATS}/GetMyStats", asked, person.token)).stats.total)


async def walk(town: Readers, walking: Walk, until: float) -> None:
    while time.monotonic() < until:
        try:
            await town.record(walking.person, walking.steps + 1)
        except grpc.aio.AioRpcError as error:
            walking.refused.append(Refusal.of(error).code.name)
        else:
            walking.steps += 1
            walking.acknowledged.append(time.monotonic())
        await asyncio.sleep(PAUSE_S)


async def behind(pair: Pair) -> bool:
    """Whether the replica lacks something of the primary at this moment."""
    urls = pair.url("firewalker_step"), pair.replica_url("firewalker_step")
    async with Database(urls[0], pool_size=1) as primary, Database(urls[1], pool_size=1) as replica:
        async with primary.reading() as tx:
            newest = await GTIDS.newest(tx)
        async with replica.reading() as tx:
            return not await GTIDS.reached(tx, newest, 0)


async def tells_a_position(url: str) -> bool:
    """Whether it does so where reads take it for the primary: it numbers what is written, and takes writes."""
    async with Database(url, pool_size=1) as database, database.reading() as tx:
        return bool(await GTIDS.newest(tx))


async def read_there(town: Readers, pair: Pair, person: Person) -> bool:
    """Whether statistics are read on the replica now."""
    before = await pair.asked(pair.replica, OWN_TOTALS)
    await total(town, person)
    return await pair.asked(pair.replica, OWN_TOTALS) > before


async def own_writes_while_late(town: Readers, pair: Pair, walker: Person, steps: int) -> tuple[int, float]:
    """Write and read at once, again and again, while the replica is late; how often, and the longest time of a read."""
    longest, tries = 0.0, 20
    for count in range(steps + 1, steps + 1 + tries):
        await town.record(walker, count)
        began = time.monotonic()
        assert await total(town, walker) == count
        longest = max(longest, time.monotonic() - began)
        assert await behind(pair)
    return tries, longest


async def reads_while_hung(town: Readers, pair: Pair, walker: Person, steps: int) -> tuple[int, float]:
    """Read for some seconds while the replica hangs; how often, and the longest time of a read."""
    longest, reads, until = 0.0, 0, time.monotonic() + HUNG_S
    pair.replica.pause()
    try:
        while time.monotonic() < until:
            began = time.monotonic()
            assert await total(town, walker) == steps
            longest, reads = max(longest, time.monotonic() - began), reads + 1
            await asyncio.sleep(PAUSE_S)
    finally:
        pair.replica.resume()
    return reads, longest


async def walk_through_a_promotion(town: Readers, pair: Pair, people: list[Person], steps: int) -> str:
    """Kill the primary while people walk, promote the replica, and hold what everybody was told against what is there."""
    over = time.monotonic() + WALKS_S
    walks = [Walk(person, steps) for person in people]
    walking = [asyncio.create_task(walk(town, each, over)) for each in walks]
    await asyncio.sleep(WALKS_S / 4)
    killed = time.monotonic()
    pair.primary.kill()
    await pair.promote()
    promoted = time.monotonic() - killed
    await asyncio.gather(*walking)
    after = min(at for each in walks for at in each.acknowledged if at > killed + promoted) - killed
    for each in walks:
        found = await total(town, each.person)
        # One that was refused last may have been committed, only its answer was lost.
        assert each.steps <= found <= each.steps + 1
    taken = sum(len(each.acknowledged) for each in walks)
    refused = sum(len(each.refused) for each in walks)
    assert {code for each in walks for code in each.refused} <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    return (
        f"primary killed, replica promoted after {promoted:.2f} s, first step acknowledged {after:.2f} s after the kill; "
        f"{taken} uploads acknowledged, none lost; {refused} refused meanwhile"
    )


@pytest.mark.requirement("DATA-42", "DATA-43")
@pytest.mark.parametrize("binary", servers(), ids=str)
async def test_reads_are_the_replicas_while_it_follows_and_it_takes_over(binary: Binary, tmp_path: Path) -> None:
    pair = Pair(binary, tmp_path / "servers")
    began = time.monotonic()
    try:
        pair.start()
        await pair.follow(list(DATABASES.values()))
        await pair.log_statements()
        started = time.monotonic() - began
        assert await tells_a_position(pair.url("firewalker_step"))
        assert not await tells_a_position(pair.replica_url("firewalker_step"))
        async with backend_on(pair, tmp_path / "backend") as town:
            walkers = [await town.person("Walker") for _ in range(WALKERS)]
            viewer = walkers[0]
            for friend in walkers[1:]:
                await town.befriend(viewer, friend)
            await town.know_each_other(viewer, WALKERS)
            for walker in walkers:
                await town.record(walker, 1)

            # While it follows, statistics are asked of nobody else.
            await eventually(lambda: read_there(town, pair, viewer))
            counts = [await pair.asked(node, OWN_TOTALS) for node in (pair.primary, pair.replica)]
            began = time.monotonic()
            for number in range(READS):
                assert await total(town, walkers[number % WALKERS]) == 1
            took = (time.monotonic() - began) / READS
            here = await pair.asked(pair.primary, OWN_TOTALS) - counts[0]
            there = await pair.asked(pair.replica, OWN_TOTALS) - counts[1]
            assert here + there >= READS
            assert there > here

            # Late, it is left aside by who reads their own, and still good for what friends come to.
            await pair.delay(LATE_S)
            tries, longest = await own_writes_while_late(town, pair, viewer, 1)
            before = await pair.asked(pair.replica, FRIENDS_TOTALS)
            await total(town, viewer, "WEEK")
            assert await pair.asked(pair.replica, FRIENDS_TOTALS) > before
            await pair.delay(0)
            await eventually(lambda: read_there(town, pair, viewer))

            reads, hung = await reads_while_hung(town, pair, viewer, 1 + tries)
            await eventually(lambda: read_there(town, pair, viewer))
            lines = [
                f"{binary.flavour} {'.'.join(map(str, binary.version))}: primary and replica up in {started:.1f} s",
                f"{READS} statistics in {took * 1000:.0f} ms each, {there} statements for them on the replica and {here} on the primary",
                f"replica {LATE_S} s late: {tries} of {tries} own writes seen at once, the slowest in {longest * 1000:.0f} ms",
                f"replica hung: {reads} reads, none failed, the slowest took {hung:.2f} s",
                await walk_through_a_promotion(town, pair, walkers, 1 + tries),
            ]
            newcomer = await town.person("New")
            assert await total(town, newcomer) == 0
        sys.stdout.write("\n" + "\n  ".join(lines) + "\n")
    finally:
        pair.stop()
