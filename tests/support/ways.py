"""The way to a Redis, whatever that consists of, as one network that fails: a proxy before each of its servers.

Who is asked where the primary is answers with the proxies' addresses, so that nobody finds a way around them.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from firewalker.runtime import cluster, sentinels
from tests.support.proxy import Behaviour, FaultProxy, fault_proxy
from tests.support.redis_processes import client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

Server = str | tuple[str, int]


class RedisWay:
    """What a `FaultProxy` is for one server. *url* leads through it."""

    def __init__(self, url: str, proxies: Sequence[FaultProxy]) -> None:
        self.url = url
        self._proxies = proxies
        self.set()

    @property
    def behaviour(self) -> Behaviour:
        """Shared by all."""
        return self._proxies[0].behaviour

    @property
    def connections(self) -> int:
        """How many were ever taken."""
        return sum(proxy.connections for proxy in self._proxies)

    def set(self, **changes: object) -> None:
        """See `FaultProxy.set`."""
        behaviour = Behaviour(**changes)  # type: ignore[arg-type]
        for proxy in self._proxies:
            proxy.become(behaviour)

    def cut_all(self) -> None:
        """Break every open connection."""
        for proxy in self._proxies:
            proxy.cut_all()


@asynccontextmanager
async def redis_way(url: str) -> AsyncIterator[RedisWay]:
    """A way to the Redis at *url*, on which everything passes at first."""
    asked, told_of, form = await _servers(url)
    async with AsyncExitStack() as stack:
        servers = [*asked, *told_of]
        proxies = [await stack.enter_async_context(fault_proxy(server)) for server in servers]
        if len(servers) > 1:
            replaced = {
                said(server[1]): said(proxy.port)
                for server, proxy in zip(servers, proxies, strict=True)
                for said in (_as_number, _as_text)
                if isinstance(server, tuple)
            }
            for proxy in proxies:
                proxy.replaced = replaced
        hosts = ",".join(f"127.0.0.1:{proxy.port}" for proxy in proxies[: len(asked)])
        yield RedisWay(form.format(hosts), proxies)


async def _servers(url: str) -> tuple[Sequence[Server], Sequence[Server], str]:
    """Whom a client asks, whom it may be told of, and its URL without them."""
    parts = urlsplit(url)
    clustered = cluster.parse(url)
    if clustered is not None:
        return clustered.addresses, (), f"{parts.scheme}://{{}}"
    _, watching = sentinels.parse(url)
    if watching is not None:
        return watching.addresses, await _watched(watching), f"{parts.scheme}://{{}}{parts.path}?{parts.query}"
    if parts.scheme == "unix":
        return (unquote(parts.path),), (), f"redis://{{}}/{parse_qs(parts.query).get('db', ['0'])[0]}"
    return ((parts.hostname or "127.0.0.1", parts.port or 6379),), (), f"redis://{{}}{parts.path}"


async def _watched(watching: sentinels.Sentinels) -> list[Server]:
    """The primary, and whoever may take its place."""
    _, port = watching.addresses[0]
    async with client_of(port) as client:
        replicas = await client.sentinel_slaves(watching.service)
    return [await watching.primary(), *((each["ip"], int(each["port"])) for each in replicas)]


def _as_number(port: int) -> bytes:
    return b":%d\r\n" % port


def _as_text(port: int) -> bytes:
    return b"$%d\r\n%d\r\n" % (len(str(port)), port)
