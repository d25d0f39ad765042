"""A Redis Cluster of six: three primaries, and a replica of each that takes its place when it is gone."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from firewalker.local.binaries import REDIS, Binary, find
from firewalker.local.layout import Layout
from tests.support.waiting import until_true

PRIMARIES = 3
SLOTS = 16_384
LOST_AFTER_MS = 1_500
"""Silence after which the others take a primary for lost."""


class ClusteredRedis:
    """Six processes on free ports of loopback."""

    def __init__(self, binary: Binary, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self.servers = _free_ports(2 * PRIMARIES)

    @property
    def url(self) -> str:
        """The address as services take it: some of the servers, which tell of all."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.servers)

    async def start(self) -> None:
        """Return once every slot has a primary, and every primary a replica that follows."""
        for port in self.servers:
            await self._begin(port)
        primaries, replicas = self.servers[:PRIMARIES], self.servers[PRIMARIES:]
        for number, port in enumerate(primaries):
            first, behind = (SLOTS * n // PRIMARIES for n in (number, number + 1))
            await _tell(port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await _tell(port, "CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
        for port in self.servers[1:]:
            await _tell(self.servers[0], "CLUSTER", "MEET", "127.0.0.1", port)
        for port in self.servers:
            await until_true(partial(_holds, port, _knows_all))
        for primary, replica in zip(primaries, replicas, strict=True):
            await _tell(replica, "CLUSTER", "REPLICATE", await _tell(primary, "CLUSTER", "MYID"))
            await until_true(partial(_holds, replica, _follows))
        for port in self.servers:
            await until_true(partial(_holds, port, _is_whole))

    async def kill(self, port: int) -> None:
        """SIGKILL."""
        process = self._processes.pop(port)
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async def restart(self, port: int) -> None:
        """Start a killed one again; it holds nothing, and remembers the cluster."""
        await self._begin(port)

    async def promote_replica_of(self, port: int) -> None:
        """Have a primary and its replica change places, in order: nothing is lost, and both go on answering."""
        found = await _tell(port, "CLUSTER", "SLOTS")
        replica = next(int(row[3][1]) for row in found if row[2][1] == port)
        await _tell(replica, "CLUSTER", "FAILOVER")

        async def done() -> bool:
            known = [await _tell(server, "CLUSTER", "SLOTS") for server in self._processes]
            return all(row[2][1] != port for rows in known for row in rows)

        await until_true(done)

    async def primary_of(self, key: str) -> int:
        """The port of the server that the living ones hold to be the primary of *key*."""
        asked = next(iter(self._processes))
        slot = await _tell(asked, "CLUSTER", "KEYSLOT", key)
        found = await _tell(asked, "CLUSTER", "SLOTS")
        return next(int(primary[1]) for first, last, primary, *_ in found if first <= slot <= last)

    async def stop(self) -> None:
        """End all that run."""
        for port in list(self._processes):
            await self.kill(port)

    async def _begin(self, port: int) -> None:
        folder = self._folder / str(port)
        folder.mkdir(exist_ok=True)
        with (folder / "log").open("ab") as log:
            self._processes[port] = await asyncio.create_subprocess_exec(
                str(self._binary.path),
                *("--port", str(port)),
                *("--bind", "127.0.0.1"),
                *("--dir", str(folder)),
                *("--save", ""),
                *("--maxmemory-policy", "noeviction"),
                *("--repl-diskless-sync-delay", "0"),
                *("--repl-ping-replica-period", "1"),  # who has not heard one is listed by nobody
                *("--cluster-enabled", "yes"),
                *("--cluster-node-timeout", str(LOST_AFTER_MS)),
                *("--cluster-require-full-coverage", "no"),
                env=self._binary.environment(),
                stdout=log,
                stderr=log,
            )
        await until_true(lambda: _holds(port, _answers))


@asynccontextmanager
async def clustered_redis(folder: Path) -> AsyncIterator[ClusteredRedis]:
    """All six, running."""
    redis = ClusteredRedis(find(REDIS, Layout.of(os.environ).packages, os.environ, lambda _: None), folder)
    try:
        await redis.start()
        yield redis
    finally:
        await redis.stop()


async def _tell(port: int, *words: object) -> Any:
    async with _client(port) as client:
        return await client.execute_command(*words)


def _client(port: int) -> Any:
    # Any: the library leaves this command's types open.
    return Redis(port=port, socket_timeout=1, protocol=2)


async def _holds(port: int, condition: Callable[[Any], Awaitable[bool]]) -> bool:
    try:
        async with _client(port) as client:
            return await condition(client)
    except (RedisError, OSError):
        return False


async def _answers(client: Any) -> bool:
    return bool(await client.ping())


async def _knows_all(client: Any) -> bool:
    told = (await client.execute_command("CLUSTER", "INFO")).decode()
    return f"cluster_known_nodes:{2 * PRIMARIES}\r\n" in told and "cluster_state:ok" in told


async def _is_whole(client: Any) -> bool:
    """It knows of a replica of every primary: only then one of them is sure to take over."""
    found = await client.execute_command("CLUSTER", "SLOTS")
    return [len(row) for row in found] == [4] * PRIMARIES


async def _follows(client: Any) -> bool:
    return bool((await client.info("replication")).get("master_link_status") == "up")


def _free_ports(number: int) -> list[int]:
    """Ports that are free, and so are those 10 000 above them, where servers of a cluster talk to each other."""
    found: list[int] = []
    while len(found) < number:
        with socket.socket() as probe, socket.socket() as bus:
            try:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
                bus.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            if port not in found:
                found.append(port)
    return found
