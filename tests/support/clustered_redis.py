"""A Redis Cluster of six: three primaries, and a replica of each that takes its place when it is gone."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.redis_processes import RedisProcesses, follows, free_port, holds, running, tell
from tests.support.waiting import until_true

PRIMARIES = 3
SLOTS = 16_384
LOST_AFTER_MS = 1_500
"""Silence after which the others take a primary for lost."""

SETTINGS = (
    "--cluster-enabled", "yes",
    "--cluster-node-timeout", str(LOST_AFTER_MS),
    "--cluster-require-full-coverage", "no",
    "--repl-ping-replica-period", "1",  # who has not heard one is listed by nobody
)  # fmt: skip


class ClusteredRedis:
    """Six processes."""

    def __init__(self, folder: Path) -> None:
        self._processes = RedisProcesses(folder)
        self.servers = [free_port() for _ in range(2 * PRIMARIES)]
        self.kill, self.stop = self._processes.kill, self._processes.stop

    @property
    def url(self) -> str:
        """The address as services take it: some of the servers, which tell of all."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.servers)

    async def start(self) -> None:
        """Return once every slot has a primary, and every primary a replica that follows."""
        for port in self.servers:
            await self._processes.begin(port, *SETTINGS)
        primaries, replicas = self.servers[:PRIMARIES], self.servers[PRIMARIES:]
        for number, port in enumerate(primaries):
            first, behind = (SLOTS * n // PRIMARIES for n in (number, number + 1))
            await tell(port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await tell(port, "CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
        for port in self.servers[1:]:
            await tell(self.servers[0], "CLUSTER", "MEET", "127.0.0.1", port)
        for port in self.servers:
            await until_true(partial(holds, port, _knows_all))
        for primary, replica in zip(primaries, replicas, strict=True):
            await tell(replica, "CLUSTER", "REPLICATE", await tell(primary, "CLUSTER", "MYID"))
            await until_true(partial(holds, replica, follows))
        for port in self.servers:
            await until_true(partial(holds, port, _is_whole))

    async def restart(self, port: int) -> None:
        """Start a killed one again; it holds nothing, and remembers the cluster."""
        await self._processes.begin(port, *SETTINGS)

    async def promote_replica_of(self, port: int) -> None:
        """Have a primary and its replica change places, in order: nothing is lost, and both go on answering."""
        found = await tell(port, "CLUSTER", "SLOTS")
        replica = next(int(row[3][1]) for row in found if row[2][1] == port)
        await tell(replica, "CLUSTER", "FAILOVER")

        async def done() -> bool:
            known = [await tell(server, "CLUSTER", "SLOTS") for server in self._processes.alive]
            return all(row[2][1] != port for rows in known for row in rows)

        await until_true(done)

    async def primary_of(self, key: str) -> int:
        """The port of the server that the living ones hold to be the primary of *key*."""
        asked = self._processes.alive[0]
        slot = await tell(asked, "CLUSTER", "KEYSLOT", key)
        found = await tell(asked, "CLUSTER", "SLOTS")
        return next(int(primary[1]) for first, last, primary, *_ in found if first <= slot <= last)


def clustered_redis(folder: Path) -> AbstractAsyncContextManager[ClusteredRedis]:
    """All six, running."""
    return running(ClusteredRedis(folder))


async def _knows_all(client: Any) -> bool:
    told = (await client.execute_command("CLUSTER", "INFO")).decode()
    return f"cluster_known_nodes:{2 * PRIMARIES}\r\n" in told and "cluster_state:ok" in told


async def _is_whole(client: Any) -> bool:
    """It knows of a replica of every primary: only then one of them is sure to take over."""
    found = await client.execute_command("CLUSTER", "SLOTS")
    return [len(row) for row in found] == [4] * PRIMARIES
