"""Which of several Redis servers is the primary: what the Sentinels that watch over them say, asked anew per connection."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from firewalker.runtime import redis_urls

SCHEMES: Final = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""Schemes of URLs that name Sentinels, and of those that name the server they lead to."""

DEFAULT_PORT: Final = 26379

ANSWER_S: Final = 0.2
"""Longest wait for one Sentinel: one that is gone must not use up the time of those behind it."""


@dataclass(slots=True)
class Sentinels:
    """Some Sentinels, and the name under which they know the primary."""

    addresses: list[tuple[str, int]]
    service: str

    async def primary(self) -> tuple[str, int]:
        """Host and port of the server that takes writes now.

        Raises:
            redis.ConnectionError: No Sentinel knows.
        """
        for address in tuple(self.addresses):  # others change the order meanwhile
            try:
                found = await self._ask(*address)
            except (RedisError, OSError):
                continue
            if found is not None:
                # The one that answered is asked first from now on.
                self.addresses.remove(address)
                self.addresses.insert(0, address)
                return found
        raise RedisConnectionError(f"no Sentinel knows where {self.service!r} is")

    async def _ask(self, host: str, port: int) -> tuple[str, int] | None:
        client = Redis(
            host=host,
            port=port,
            socket_connect_timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
        try:
            # Any: the library types it as whatever any settings could make of it.
            found: Any = await client.sentinel_get_master_addr_by_name(self.service)
        finally:
            # Whoever is cancelled once more, as by a deadline, must not leave the connection open.
            await asyncio.shield(asyncio.create_task(client.aclose()))
        return None if found is None else (str(found[0]), int(found[1]))


def parse(url: str) -> tuple[str, Sentinels | None]:
    """The URL of the server itself, and who tells where that is: None if the URL does, in its host.

    ``redis+sentinel://user:password@one:26379,two:26379/service?db=0`` names Sentinels; user and password are those of the
    server. ``rediss+sentinel://`` speaks TLS to the server.

    Raises:
        ValueError: The URL names Sentinels, but no service or no usable address.
    """
    parts = urlsplit(url)
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None:
        return url, None
    addresses, service = redis_urls.hosts(parts, DEFAULT_PORT), parts.path.strip("/")
    if not addresses or not service or "/" in service:
        raise ValueError(f"a URL of Sentinels is {parts.scheme}://host:port,host:port/service?db=0")
    # The first stands where a server's would until a Sentinel was asked.
    return redis_urls.of_server(scheme, parts, *addresses[0]), Sentinels(addresses, service)
