"""What the ordinary suites can stand on in place of one MySQL and one Redis, and what goes wrong below them in the middle."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self, TypeVar
from urllib.parse import quote

from firewalker.local import binaries
from firewalker.local.files import make_private_folder, remove_socket_folder, socket_folder
from firewalker.local.layout import Layout
from firewalker.local.mysql_server import MySQLServer
from firewalker.local.plan import DATABASES
from firewalker.local.redis_server import RedisServer
from firewalker.local.servers import RunningServer, quiet
from firewalker.runtime.revocation import STREAM
from tests.support import databases, replicas
from tests.support.clustered_redis import ClusteredRedis
from tests.support.databases import run_on
from tests.support.redis_processes import follows, holds
from tests.support.replication import Pair
from tests.support.waiting import until_true
from tests.support.watched_redis import WatchedRedis

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from pathlib import Path

LATE_S = 3

T = TypeVar("T")


class Ground(databases.Ground, Protocol):
    """Servers, and what can happen to them."""

    under_way: bool
    """Whether tests go on during the mishap; else the next one waits for it."""

    def mishap(self) -> str:
        """Have happen what is to happen in the middle of a run; return what it was."""

    def lacking(self) -> str:
        """What of it no test used so far, though it is what the run is for; empty for nothing."""


class Aside:
    """An event loop in a thread, for servers that are arranged by coroutines and outlive every test's loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """What *work* returns, from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class OnClusterOrSentinels:
    """One MySQL, and a Redis of several servers whose primary dies; the one that takes its place knows all but the last."""

    under_way = True

    def __init__(self, mysql: RunningServer[MySQLServer], redis: ClusteredRedis | WatchedRedis, aside: Aside) -> None:
        self._mysql, self._redis, self._aside = mysql, redis, aside

    def mysql_url(self, database: str = "") -> str:
        return self._mysql.server.url(database)

    def redis_url(self, database: int = 0) -> str:
        return self._redis.url if isinstance(self._redis, ClusteredRedis) else f"{self._redis.url}?db={database}"

    def backend(self) -> Mapping[str, str]:
        return {"FIREWALKER_REDIS_URL": self.redis_url()}

    def mishap(self) -> str:
        return self._aside.run(self._lose_the_primary())

    def lacking(self) -> str:
        return ""  # nothing of Redis works without its primary, which is another one by the end

    async def _lose_the_primary(self) -> str:
        dead, began = await self._primary(), time.monotonic()
        await self._redis.kill(dead)

        async def replaced() -> bool:
            return await self._primary() != dead

        await until_true(replaced)
        took = time.monotonic() - began
        await self._redis.restart(dead)
        await until_true(partial(holds, dead, follows))
        return f"a primary was killed; its replica took over after {took:.1f} s, and it follows that one now"

    async def _primary(self) -> int:
        """The one with the stream of ended sessions, which every process follows."""
        if isinstance(self._redis, ClusteredRedis):
            return await self._redis.primary_of(STREAM)
        return await self._redis.primary()


class OnReplica:
    """One Redis, and a primary of MySQL with a replica that is promoted when it is killed."""

    under_way = False  # whoever writes meanwhile is refused, and tests do not write again

    def __init__(self, pair: Pair, redis: RunningServer[RedisServer], aside: Aside) -> None:
        self._pair, self._redis, self._aside = pair, redis, aside
        self._answered_before = 0
        """Reads that the replica had answered when it was promoted."""

    def mysql_url(self, database: str = "") -> str:
        return self._pair.root_url(database)

    def redis_url(self, database: int = 0) -> str:
        return self._redis.server.url(database)

    def backend(self) -> Mapping[str, str]:
        urls = {f"FIREWALKER_{name.upper()}_MYSQL_URL": self.mysql_url(base) for name, base in DATABASES.items()}
        of_replica = {
            f"FIREWALKER_{name.upper()}_MYSQL_REPLICA_URL": replicas.replica_url(self.mysql_url(base)) or ""
            for name, base in DATABASES.items()
        }
        return urls | of_replica

    def lacking(self) -> str:
        return "" if self._answered_before or self._answered() else "the replica, which was asked nothing"

    def mishap(self) -> str:
        answered, began = self._answered(), time.monotonic()
        self._answered_before = answered
        self._pair.primary.kill()
        self._aside.run(self._pair.promote())
        took = time.monotonic() - began
        return f"the primary was killed; its replica, which had answered {answered} reads, took over after {took:.1f} s"

    def _answered(self) -> int:
        """How many statements of the services the replica was asked; looks at how far it is name no table."""
        return self._aside.run(self._pair.asked(self._pair.replica, "%SELECT%FROM%"))


class OnLateReplica(OnReplica):
    """The same, with a replica that is always some seconds behind."""

    def lacking(self) -> str:
        # It may be right to ask it nothing but how far it is.
        looked = self._aside.run(self._pair.asked(self._pair.replica, "%GTID%"))
        return "" if looked else "the replica, which was not even asked how far it is"

    def mishap(self) -> str:
        return f"the replica is {LATE_S} s behind all the time; so far it has answered {self._answered()} reads"


@contextmanager
def cluster(folder: Path) -> Iterator[Ground]:
    """Six servers of a Redis Cluster."""
    with _several(folder, ClusteredRedis(make_private_folder(folder / "redis"))) as ground:
        yield ground


@contextmanager
def sentinels(folder: Path) -> Iterator[Ground]:
    """A primary and a replica of Redis, with three Sentinels."""
    with _several(folder, WatchedRedis(make_private_folder(folder / "redis"))) as ground:
        yield ground


@contextmanager
def replica(folder: Path) -> Iterator[Ground]:
    """A primary and a replica of MySQL, by GTIDs."""
    with _followed(folder) as (pair, redis, aside):
        yield OnReplica(pair, redis, aside)


@contextmanager
def late_replica(folder: Path) -> Iterator[Ground]:
    """The same, late."""
    with _followed(folder) as (pair, redis, aside):
        aside.run(pair.delay(LATE_S))
        yield OnLateReplica(pair, redis, aside)


GROUNDS = {"cluster": cluster, "sentinels": sentinels, "replica": replica, "late-replica": late_replica}

MYSQL = {"replica", "late-replica"}
"""Those with several servers of MySQL; the others have several of Redis."""


@contextmanager
def _several(folder: Path, redis: ClusteredRedis | WatchedRedis) -> Iterator[Ground]:
    sockets = socket_folder(make_private_folder(folder / "run"))
    binary = binaries.find(binaries.MYSQL, Layout.of(os.environ).packages, os.environ, quiet)
    mysql = RunningServer(MySQLServer(binary, folder / "mysql", sockets, buffer_pool_mb=64), folder / "mysql.log")
    with Aside() as aside, ExitStack() as stack:
        stack.callback(remove_socket_folder, sockets)
        stack.callback(mysql.stop)
        mysql.start()
        stack.callback(lambda: aside.run(redis.stop()))
        aside.run(redis.start())
        yield OnClusterOrSentinels(mysql, redis, aside)


@contextmanager
def _followed(folder: Path) -> Iterator[tuple[Pair, RunningServer[RedisServer], Aside]]:
    sockets = socket_folder(make_private_folder(folder / "run"))
    packages = Layout.of(os.environ).packages
    redis_binary, mysql_binary = (
        binaries.find(wanted, packages, os.environ, quiet) for wanted in (binaries.REDIS, binaries.MYSQL)
    )
    redis = RunningServer(RedisServer(redis_binary, folder / "redis", sockets), folder / "redis.log")
    pair = Pair(mysql_binary, folder / "mysql")
    with Aside() as aside, ExitStack() as stack:
        stack.callback(remove_socket_folder, sockets)
        stack.callback(redis.stop)
        redis.start()
        stack.callback(pair.stop)
        pair.start()
        reader = f"'{replicas.READER}'@'localhost'"
        aside.run(run_on(pair.primary.server.url(), f"CREATE USER {reader}", f"GRANT SELECT ON *.* TO {reader}"))
        aside.run(pair.follow(list(DATABASES.values())))
        aside.run(pair.log_statements(pair.replica))
        replicas.answers_reads(*(quote(str(path), safe="") for path in (pair.address, pair.replica.server.socket)))
        yield pair, redis, aside
