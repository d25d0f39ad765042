"""Redis servers on free ports of loopback, for tests that need several: begun, asked, killed."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from firewalker.local.binaries import REDIS, find
from firewalker.local.layout import Layout
from tests.support.waiting import until_true


class RedisProcesses:
    """Processes by their ports. All of them keep nothing on disk but what they know of each other, below *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._binary = find(REDIS, Layout.of(os.environ).packages, os.environ, lambda _: None)
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    @property
    def alive(self) -> list[int]:
        """The ports of those that run."""
        return list(self._processes)

    async def begin(self, port: int, *settings: str) -> None:
        """Start a server, with *settings* as on its command line; return when it answers."""
        folder = self.folder / str(port)
        folder.mkdir(exist_ok=True)
        await self.run(
            port, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
            "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0", *settings,
        )  # fmt: skip
        await until_true(lambda: holds(port, _answers))

    async def run(self, port: int, *words: str) -> None:
        """Start the program with *words*; return at once."""
        with (self.folder / f"{port}.log").open("ab") as log:
            self._processes[port] = await asyncio.create_subprocess_exec(
                str(self._binary.path), *words, env=self._binary.environment(), stdout=log, stderr=log
            )

    async def kill(self, port: int) -> None:
        """SIGKILL."""
        process = self._processes.pop(port)
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async def stop(self) -> None:
        """End all that run."""
        for port in self.alive:
            await self.kill(port)


def client_of(port: int) -> Any:
    """A client of the server on *port*, untyped: the library leaves open what most commands answer."""
    return Redis(port=port, socket_timeout=1, protocol=2)


async def tell(port: int, *words: object) -> Any:
    """The answer to one command."""
    async with client_of(port) as client:
        return await client.execute_command(*words)


async def holds(port: int, condition: Callable[[Any], Awaitable[bool]]) -> bool:
    """Whether *condition* is true of the server on *port*, which may be away."""
    try:
        async with client_of(port) as client:
            return await condition(client)
    except (RedisError, OSError):
        return False


async def follows(client: Any) -> bool:
    """It is a replica, and has what its primary has."""
    return bool((await client.info("replication")).get("master_link_status") == "up")


async def _answers(client: Any) -> bool:
    return bool(await client.ping())


def free_port() -> int:
    """One that nobody listens on, with 10 000 more too: there, servers of a cluster talk to each other."""
    while True:
        with socket.socket() as probe, socket.socket() as bus:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            try:
                bus.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            return port


class Arrangement(Protocol):
    """Some processes that are one Redis together."""

    async def start(self) -> None:
        """Have all of them run and know of each other."""

    async def stop(self) -> None:
        """End all of them."""


Arranged = TypeVar("Arranged", bound=Arrangement)


@asynccontextmanager
async def running(redis: Arranged) -> AsyncIterator[Arranged]:
    """All of it, for as long as the block lasts."""
    try:
        await redis.start()
        yield redis
    finally:
        await redis.stop()
