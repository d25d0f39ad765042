"""Clients of Redis: derived state only, so that each call is short and is allowed to fail. Keys belong to services."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Any, Final

from prometheus_client import Counter, Histogram
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, MovedError, ReadOnlyError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from firewalker.runtime import cluster, deadline, sentinels, tracing
from firewalker.runtime.metrics import REGISTRY

CONNECT_S = 1.0
COMMAND_S = 0.5
"""Longest wait for an answer. Commands here take well under a millisecond; Redis that needs longer is as good as away."""

MAX_CONNECTIONS = 64
"""Per client. One more caller waits for one of them, rather than opening without bound."""

WAIT_S = 0.1
"""Longest wait for a connection while all are in use."""


_TOOK = Histogram(
    "firewalker_redis_call_seconds", "Commands that belong together, from the first one to the last answer.",
    buckets=(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1), registry=REGISTRY,
)  # fmt: skip
_FAILED = Counter(
    "firewalker_redis_call_failures_total",
    "The same that had no answer as hoped, by cause.",
    ["cause"],
    registry=REGISTRY,
)
_BUSY, _AWAY = _FAILED.labels("busy"), _FAILED.labels("unavailable")

_NO_PLACE: Final = "No connection available."
"""The library's text, the only mark of it; a test fails should it change."""


class RedisUnavailable(OSError):
    """Redis did not do it, or it is not known whether it did. The truth is in MySQL: go on without, or by it."""


class RedisBusy(RedisUnavailable):
    """All connections of this client were in use for too long. It says nothing about Redis, which was not asked."""


class _Pool(BlockingConnectionPool):
    """The library's pool, which tells its own exhaustion as it tells a lost connection."""

    async def get_connection(self, *_: Any, **__: Any) -> Any:  # the library's own signature, long deprecated
        try:
            return await super().get_connection()  # type: ignore[no-untyped-call]  # the library's
        except RedisConnectionError as error:
            if str(error) == _NO_PLACE:
                raise _NoPlaceError from error
            raise


class _Leaving:
    """Leaves a server that serves no more: the next command connects anew, and asks the name where to (DATA-35).

    One that has become a replica, has given its keys to another, or is cut off from its cluster goes on answering for as
    long as it is asked.
    """

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]  # a connection's, see above
        except (ReadOnlyError, MovedError, ClusterDownError):
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # likewise
            raise


class _Tcp(_Leaving, Connection):
    """As the library's."""


class _Tls(_Leaving, SSLConnection):
    """As the library's."""


class _Unix(_Leaving, UnixDomainSocketConnection):
    """As the library's."""


class _Sought(_Leaving):
    """To a server that may be elsewhere each time: who knows it is asked."""

    def __init__(self, *, whereabouts: Callable[[], Awaitable[tuple[str, int]]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._whereabouts = whereabouts

    async def _connect(self) -> None:
        self.host, self.port = await self._whereabouts()
        await super()._connect()  # type: ignore[misc]  # a connection's


class _SoughtTcp(_Sought, Connection):
    """As the library's."""


class _SoughtTls(_Sought, SSLConnection):
    """As the library's."""


_SOUGHT: Final[dict[type, type]] = {Connection: _SoughtTcp, SSLConnection: _SoughtTls}
_CONNECTIONS: Final[dict[type, type]] = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}


class _NoPlaceError(RedisError):
    """No connection became free."""


def connect(url: str, tag: str = "", *, command_s: float = COMMAND_S, max_connections: int = MAX_CONNECTIONS) -> Redis:
    """A client for ordinary commands; it connects with the first of them.

    On a cluster it speaks to one server, the one that has the keys with the hash *tag*: give all keys of a client the same,
    in braces. So a client is the same thing everywhere, and what several keys hold is seen at one moment.

    No command is ever sent twice (hazard M14: by default the library repeats even INCR), and none waits longer than
    *command_s*. Use it inside `calling`, which unites the ways of failing and keeps the call's deadline.
    """
    return _client(url, tag, command_s=command_s, max_connections=max_connections)


def connect_blocking(url: str, tag: str = "", *, longest_block_s: float) -> Redis:
    """A client for reads that wait in the server (XREAD BLOCK, subscriptions) for up to *longest_block_s*.

    Separate, so that such a read holds up nobody and its long time-out hides no dead connection elsewhere. *tag* as above;
    channels have it too, and are sharded ones (SSUBSCRIBE): others are told to all servers of a cluster.
    """
    return _client(url, tag, command_s=longest_block_s + COMMAND_S, max_connections=8)


async def servers(url: str) -> list[str]:
    """The URL of each server behind *url*: one, or all primaries and replicas of a cluster. Use it inside `calling`.

    Raises:
        redis.ConnectionError: No server of the cluster answers.
    """
    found = cluster.parse(url)
    return [url] if found is None else await found.servers()


@asynccontextmanager
async def calling(limit_s: float = math.inf) -> AsyncIterator[None]:
    """Run commands in the block within the call's deadline and *limit_s*.

    Raises:
        RedisBusy: All connections of the client are in use.
        RedisUnavailable: Whatever else went wrong: no connection, no answer in time, an error answer, a failover.
        DeadlineExceeded: The deadline had passed before the block began.
    """
    limit_s = deadline.within(limit_s)
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task else 0
    began = monotonic()
    try:
        async with asyncio.timeout(limit_s if limit_s < math.inf else None):
            with tracing.span("Redis"):
                yield
    except _NoPlaceError as error:
        _pass_on_cancellation(task, cancelled_before)
        _BUSY.inc()
        raise RedisBusy("no connection to Redis became free") from error
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        _pass_on_cancellation(task, cancelled_before)
        _AWAY.inc()
        # Named by class: texts of errors can hold arguments.
        raise RedisUnavailable(f"Redis did not answer as hoped ({type(error).__name__})") from error
    finally:
        _TOOK.observe(monotonic() - began)
    _pass_on_cancellation(task, cancelled_before)


def _pass_on_cancellation(task: asyncio.Task[object] | None, before: int) -> None:
    """On Python 3.11 the library connects and sends through `asyncio.wait_for`, which can swallow a cancellation."""
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError


def _client(url: str, tag: str, *, command_s: float, max_connections: int) -> Redis:
    url, whereabouts = _sought(url, tag)
    # Only TCP has keep-alive, and the library refuses the option elsewhere.
    keepalive = {} if url.startswith("unix://") else {"socket_keepalive": True}
    pool = _Pool.from_url(
        url,
        timeout=WAIT_S,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        socket_connect_timeout=CONNECT_S,
        socket_timeout=command_s,
        max_connections=max_connections,
        # The answers' shapes of version 3 differ between servers and releases of the library; nothing here needs it.
        protocol=2,
        client_name="firewalker",
        **keepalive,
    )
    if whereabouts is None:
        pool.connection_class = _CONNECTIONS[pool.connection_class]
    else:
        pool.connection_class = _SOUGHT[pool.connection_class]
        pool.connection_kwargs["whereabouts"] = whereabouts
    return Redis.from_pool(pool)


def _sought(url: str, tag: str) -> tuple[str, Callable[[], Awaitable[tuple[str, int]]] | None]:
    """The URL of a server, and who tells where that is: None if the URL does, in its host."""
    found = cluster.parse(url)
    if found is not None:
        return found.url_of(*found.addresses[0]), partial(found.primary, tag)
    server, watching = sentinels.parse(url)
    return server, None if watching is None else watching.primary
