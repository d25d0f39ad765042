"""A primary and a replica of Redis, and three Sentinels that promote the replica when the primary is gone."""

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

SERVICE = "firewalker"
SENTINELS = 3
LOST_AFTER_MS = 800
"""Silence after which a Sentinel takes the primary for lost."""


class WatchedRedis:
    """Five processes on free ports of loopback."""

    def __init__(self, binary: Binary, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self.servers = [_free_port(), _free_port()]
        self.sentinels = [_free_port() for _ in range(SENTINELS)]

    @property
    def url(self) -> str:
        """The address as services take it."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    async def start(self) -> None:
        """Return once the replica follows, and all Sentinels know of each other."""
        primary, replica = self.servers
        await self._begin(primary)
        await self._begin(replica, "--replicaof", f"127.0.0.1 {primary}")
        await until_true(lambda: _holds(replica, _follows))
        for port in self.sentinels:
            settings = self._folder / f"{port}.conf"
            settings.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {self._folder}\nsentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {LOST_AFTER_MS}\nsentinel failover-timeout {SERVICE} 3000\n"
            )
            await self._run(port, str(settings), "--sentinel")
        for port in self.sentinels:
            await until_true(partial(_holds, port, _knows_all))

    async def kill(self, port: int) -> None:
        """SIGKILL."""
        process = self._processes.pop(port)
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async def primary(self) -> int:
        """The port of the server that the Sentinels hold to be the primary."""
        async with Redis(port=self.sentinels[0]) as client:
            address: Any = await client.sentinel_get_master_addr_by_name(SERVICE)
            return int(address[1])

    async def stop(self) -> None:
        """End all that run."""
        for port in list(self._processes):
            await self.kill(port)

    async def _begin(self, port: int, *more: str) -> None:
        folder = self._folder / str(port)
        folder.mkdir()
        await self._run(
            port, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
            "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0", *more,
        )  # fmt: skip
        await until_true(lambda: _holds(port, _answers))

    async def _run(self, port: int, *words: str) -> None:
        with (self._folder / f"{port}.log").open("wb") as log:
            self._processes[port] = await asyncio.create_subprocess_exec(
                str(self._binary.path), *words, env=self._binary.environment(), stdout=log, stderr=log
            )


@asynccontextmanager
async def watched_redis(folder: Path) -> AsyncIterator[WatchedRedis]:
    """All five, running."""
    redis = WatchedRedis(find(REDIS, Layout.of(os.environ).packages, os.environ, lambda _: None), folder)
    try:
        await redis.start()
        yield redis
    finally:
        await redis.stop()


async def _holds(port: int, condition: Callable[[Redis], Awaitable[bool]]) -> bool:
    try:
        async with Redis(port=port, socket_timeout=1) as client:
            return await condition(client)
    except (RedisError, OSError):
        return False


async def _answers(client: Redis) -> bool:
    return bool(await client.ping())


async def _follows(client: Redis) -> bool:
    return bool((await client.info("replication")).get("master_link_status") == "up")


async def _knows_all(client: Redis) -> bool:
    masters: Any = await client.sentinel_masters()
    watched = masters[SERVICE]
    return bool(watched["num-other-sentinels"] == SENTINELS - 1 and watched["num-slaves"] == 1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
