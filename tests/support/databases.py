"""Fixtures: servers for the whole session, and an empty MySQL database and an empty Redis database for each test.

The servers are private ones, started below a temporary folder; FIREWALKER_TEST_MYSQL_URL and FIREWALKER_TEST_REDIS_URL,
both set, name running ones instead, which is quicker while working. `tests.scale.suites` starts others under the same tests.
"""

import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import pytest
from redis.exceptions import ReadOnlyError

from firewalker.local.servers import PrivateServers
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import connect
from firewalker.runtime.redis import RedisUnavailable, calling
from firewalker.runtime.redis import connect as connect_redis
from firewalker.runtime.redis import servers as redis_servers
from tests.support.waiting import until_true


class Servers(Protocol):
    """Where the servers of a test session are."""

    def mysql_url(self, database: str = "") -> str: ...

    def redis_url(self, database: int = 0) -> str: ...


class Ground(Servers, Protocol):
    """Servers that a whole backend can stand on too."""

    def backend(self) -> Mapping[str, str]:
        """Its settings."""


STARTED_BY = pytest.StashKey[Callable[[Path], AbstractContextManager[Ground]]]()
"""What starts the servers below a folder, where that is not `PrivateServers.start`."""


class GivenServers:
    """Servers that run already. Redis is used with the one database number that its URL names."""

    def __init__(self, mysql: str, redis: str) -> None:
        self._mysql, self._redis = urlsplit(mysql), redis

    def mysql_url(self, database: str = "") -> str:
        return urlunsplit(self._mysql._replace(path=f"/{database}"))

    def redis_url(self, database: int = 0) -> str:
        del database
        return self._redis


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Servers]:
    mysql, redis = os.environ.get("FIREWALKER_TEST_MYSQL_URL"), os.environ.get("FIREWALKER_TEST_REDIS_URL")
    if mysql and redis:
        yield GivenServers(mysql, redis)
        return
    folder = tmp_path_factory.mktemp("servers")
    with (
        pytestconfig.stash[STARTED_BY](folder)
        if STARTED_BY in pytestconfig.stash
        else PrivateServers.start(folder) as started
    ):
        yield started


async def run_on(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements on a connection of their own, each committed at once, and return the rows of the last."""
    connection = await connect(Address.parse(url), statement_s=30)
    try:
        rows: list[tuple[object, ...]] = []
        for statement in statements:
            rows = list((await connection.ask(statement, 30)).rows)
        return rows
    finally:
        await connection.close()


@asynccontextmanager
async def fresh_database(servers: Servers) -> AsyncIterator[str]:
    """The URL of a new, empty database, which is dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    await run_on(servers.mysql_url(), f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    try:
        yield servers.mysql_url(name)
    finally:
        await run_on(servers.mysql_url(), f"DROP DATABASE {name}")


@pytest.fixture
async def mysql_url(servers: Servers) -> AsyncIterator[str]:
    async with fresh_database(servers) as url:
        yield url


async def flush(url: str) -> None:
    """Empty a Redis, every server of it; one that is being replaced is waited for."""

    async def flushed() -> bool:
        try:
            async with calling(60):
                for server in await redis_servers(url):
                    async with connect_redis(server, command_s=60) as redis:
                        with suppress(ReadOnlyError):  # a replica, which is emptied with its primary
                            await redis.flushdb()
        except RedisUnavailable:
            return False
        return True

    await until_true(flushed)


@pytest.fixture
async def redis_url(servers: Servers) -> AsyncIterator[str]:
    url = servers.redis_url(1)
    await flush(url)
    yield url
    await flush(url)
