"""Which server of a Redis Cluster has a hash slot: what any of its servers says, asked anew when connections are made."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from firewalker.runtime import redis_urls
from firewalker.runtime.tasks import end

SCHEMES: Final = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""Schemes of URLs that name servers of a cluster, and of those that name the server they lead to."""

DEFAULT_PORT: Final = 6379

ANSWER_S: Final = 0.2
"""Longest wait for one server."""

NEXT_S: Final = 0.01
"""How long one server is waited for before the next is asked too: one that is gone must not use up the time of who asks."""

TAGS: Final = ("18", "69", "58", "19", "68", "59", "12", "38", "56", "13", "39", "57")
"""Hash tags for keys that can be spread: each in the middle of another twelfth of the slots, so that 2, 3, 4, 6 or 12
primaries with equal shares of the slots get as many keys each. They are part of the keys' names: never change them."""


SLOTS: Final = 16_384

Stretch = tuple[int, int, list[tuple[str, int]]]
"""The first and the last of some slots, and their servers, the primary first."""


@dataclass(slots=True)
class Cluster:
    """Some servers of a cluster, and how to speak to any of them."""

    addresses: Sequence[tuple[str, int]]
    parts: SplitResult = field(repr=False)
    """The URL that named them, with its password."""
    _asking: asyncio.Task[list[Stretch]] | None = field(default=None, init=False, repr=False)

    async def primary(self, tag: str) -> tuple[str, int]:
        """Host and port of the server that takes writes of keys with this hash *tag* now.

        Raises:
            redis.ConnectionError: No server answers, or none is responsible.
        """
        slot = key_slot(tag.encode())
        for first, last, servers in await self._slots():
            if first <= slot <= last:
                return servers[0]
        raise RedisConnectionError("the cluster has no server for a slot")

    async def servers(self) -> list[str]:
        """The URL of every server that has slots or could take them over.

        Raises:
            redis.ConnectionError: None answers.
        """
        known = {server for _, _, servers in await self._slots() for server in servers}
        return [self.url_of(*server) for server in sorted(known)]

    def url_of(self, host: str, port: int) -> str:
        """The URL of one server."""
        return redis_urls.of_server(SCHEMES[self.parts.scheme], self.parts, host, port)

    async def _slots(self) -> list[Stretch]:
        """All slots. Who wants to know while others ask is told what those are: after a failover all connect at once."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._find(), name="ask a cluster for its slots")
            self._asking.add_done_callback(_retrieve)  # all who waited may have left
        return await asyncio.shield(self._asking)

    async def _find(self) -> list[Stretch]:
        # In any order: one that is cut off from the others may answer for long, and wrongly. One that was just added, reset
        # or forgotten knows of no slots or of few: the others are asked too, and who knows most is believed.
        most: list[Stretch] = []
        left = random.sample(self.addresses, len(self.addresses))
        asked: dict[asyncio.Task[list[Any]], str] = {}
        try:
            while left or asked:
                if left:
                    host, port = left.pop()
                    asked[asyncio.create_task(self._ask(host, port), name=f"ask {host} for the slots")] = host
                limit_s = NEXT_S if left else None
                done, _ = await asyncio.wait(asked, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    host = asked.pop(task)
                    with suppress(RedisError, OSError):
                        found = [
                            (first, last, [_address(each, host) for each in those])
                            for first, last, *those in await task
                        ]
                        most = max(most, found, key=_covered)
                        if _covered(most) == SLOTS:
                            return most
        finally:
            await end(asked)
            await asyncio.gather(*asked, return_exceptions=True)  # what became of them is nobody's matter
        if not most:
            raise RedisConnectionError("no server of the cluster knows its slots")
        return most

    async def _ask(self, host: str, port: int) -> list[Any]:
        # A connection of its own, for the library's pool may leave one open that is cancelled. Any: its types are open too.
        pool: Any = ConnectionPool.from_url(
            self.url_of(host, port),
            socket_connect_timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        connection = pool.make_connection()
        try:
            await connection.connect()
            await connection.send_command("CLUSTER", "SLOTS")
            return list(await connection.read_response())
        finally:
            await connection.disconnect(nowait=True)


def _covered(stretches: Sequence[Stretch]) -> int:
    return sum(last - first + 1 for first, last, _ in stretches)


def _retrieve(task: asyncio.Task[list[Stretch]]) -> None:
    if not task.cancelled():
        task.exception()


def parse(url: str) -> Cluster | None:
    """The cluster that *url* names some servers of; None if it names none.

    ``redis+cluster://user:password@one:6379,two:6379``: any of them tells of all, so name those that are likely to live.
    ``rediss+cluster://`` speaks TLS to all of them. A cluster has the database 0 alone.

    Raises:
        ValueError: It names a cluster, but no usable address, or another database.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        return None
    addresses = redis_urls.hosts(parts, DEFAULT_PORT)
    database = parts.path.strip("/") or parse_qs(parts.query).get("db", ["0"])[-1]
    if not addresses or database != "0":
        raise ValueError(f"a URL of a cluster is {parts.scheme}://host:port,host:port, without a database")
    return Cluster(addresses, parts)


def tags(url: str) -> Sequence[str]:
    """The hash tags over which to spread many keys: all `TAGS` on a cluster; one on one server, which has everything."""
    return TAGS if parse(url) is not None else TAGS[:1]


def _address(server: Any, asked: str) -> tuple[str, int]:
    host = server[0]
    # Without a host it is the one that was asked: so says a server that does not know its own address.
    return (host.decode() if host and host != b"?" else asked), int(server[1])
