"""Fixtures: servers for the whole session, and an empty MySQL database and an empty Redis database for each test.

The servers are private ones, started below a temporary folder; FIREWALKER_TEST_MYSQL_URL and FIREWALKER_TEST_REDIS_URL,
both set, name running ones instead, which is quicker while working.
"""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import pytest

from firewalker.local.servers import PrivateServers
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import connect
from firewalker.runtime.redis import connect as connect_redis


class Servers(Protocol):
    """Where the servers of a test session are."""

    def mysql_url(self, database: str = "") -> str: ...

    def redis_url(self, database: int = 0) -> str: ...


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
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    mysql, redis = os.environ.get("FIREWALKER_TEST_MYSQL_URL"), os.environ.get("FIREWALKER_TEST_REDIS_URL")
    if mysql and redis:
        yield GivenServers(mysql, redis)
        return
    with PrivateServers.start(tmp_path_factory.mktemp("servers")) as private:
        yield private


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


@pytest.fixture
async def redis_url(servers: Servers) -> AsyncIterator[str]:
    url = servers.redis_url(1)
    redis = connect_redis(url, command_s=60)
    await redis.flushdb()
    yield url
    await redis.flushdb()
    await redis.aclose()
