"""A primary and a replica of Redis, and three Sentinels that promote the replica when the primary is gone."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.redis_processes import RedisProcesses, client_of, follows, free_port, holds, running
from tests.support.waiting import until_true

SERVICE = "firewalker"
SENTINELS = 3
LOST_AFTER_MS = 800
"""Silence after which a Sentinel takes the primary for lost."""


class WatchedRedis:
    """Five processes."""

    def __init__(self, folder: Path) -> None:
        self._processes = RedisProcesses(folder)
        self.servers = [free_port(), free_port()]
        self.sentinels = [free_port() for _ in range(SENTINELS)]
        self.kill, self.stop = self._processes.kill, self._processes.stop

    @property
    def url(self) -> str:
        """The address as services take it."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    async def start(self) -> None:
        """Return once the replica follows, and all Sentinels know of each other."""
        primary, replica = self.servers
        await self._processes.begin(primary)
        await self._processes.begin(replica, "--replicaof", f"127.0.0.1 {primary}")
        await until_true(lambda: holds(replica, follows))
        folder = self._processes.folder
        for port in self.sentinels:
            settings = folder / f"{port}.conf"
            settings.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {LOST_AFTER_MS}\nsentinel failover-timeout {SERVICE} 3000\n"
            )
            await self._processes.run(port, str(settings), "--sentinel")
        for port in self.sentinels:
            await until_true(partial(holds, port, _knows_all))

    async def restart(self, port: int) -> None:
        """Start a killed one again, which follows whoever has taken its place."""
        await self._processes.begin(port, "--replicaof", f"127.0.0.1 {await self.primary()}")

    async def primary(self) -> int:
        """The port of the server that the Sentinels hold to be the primary."""
        async with client_of(self.sentinels[0]) as client:
            return int((await client.sentinel_get_master_addr_by_name(SERVICE))[1])


def watched_redis(folder: Path) -> AbstractAsyncContextManager[WatchedRedis]:
    """All five, running."""
    return running(WatchedRedis(folder))


async def _knows_all(client: Any) -> bool:
    watched = (await client.sentinel_masters())[SERVICE]
    return bool(watched["num-other-sentinels"] == SENTINELS - 1 and watched["num-slaves"] == 1)
