"""The hazards of the plain drivers of MySQL and Redis, shown on them: each is what `runtime/mysql` and `runtime/redis` repair.

Were one of these tests to fail, the driver had been mended. That ours withstands is shown in `test_pool.py` and `test_redis.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiomysql
import pytest
from redis.asyncio import Redis

from firewalker.runtime.mysql.address import Address
from tests.support.proxy import FaultProxy, fault_proxy
from tests.support.waiting import until

LONG_S = 0.5
"""Hundreds of times what a connection takes to be handed over. What is shown to wait so long waits for ever."""


@pytest.fixture
async def mysql_proxy(mysql_url: str, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    address = Address.parse(mysql_url)
    async with fault_proxy(address.unix_socket or (address.host, address.port), tmp_path / "s") as proxy:
        yield proxy


@pytest.fixture
async def pool(mysql_url: str, mysql_proxy: FaultProxy) -> AsyncIterator[Any]:
    address = Address.parse(mysql_url)
    pool = await aiomysql.create_pool(
        minsize=1,
        maxsize=2,
        unix_socket=mysql_proxy.listen,
        user=address.user,
        password=address.password,
        db=address.database,
    )
    yield pool
    mysql_proxy.set()
    pool.terminate()
    await pool.wait_closed()


async def use(pool: Any) -> None:
    async with pool.acquire() as connection, connection.cursor() as cursor:
        await cursor.execute("DO 1")


async def sleep(pool: Any, asking: list[int]) -> None:
    async with pool.acquire() as connection, connection.cursor() as cursor:
        asking.append(connection.thread_id())
        await cursor.execute("DO SLEEP(60)")


@pytest.mark.requirement("M12")
async def test_a_cancelled_query_strands_who_waits_for_its_connection(pool: Any) -> None:
    asking: list[int] = []
    queries = [asyncio.create_task(sleep(pool, asking)) for _ in range(2)]
    await until(lambda: len(asking) == 2)
    waiter = asyncio.create_task(use(pool))
    await asyncio.sleep(0)
    for query in queries:
        query.cancel()
    await asyncio.gather(*queries, return_exceptions=True)
    # There is room, and nobody tells the waiter.
    assert pool.size == 0
    done, _ = await asyncio.wait([waiter], timeout=LONG_S)
    assert not done
    waiter.cancel()


@pytest.mark.requirement("M13")
async def test_a_connect_that_hangs_holds_up_who_could_have_a_free_connection(
    pool: Any, mysql_proxy: FaultProxy
) -> None:
    lent = await pool.acquire()
    mysql_proxy.set(black_hole=True)
    connecting = asyncio.create_task(use(pool))
    await until(lambda: mysql_proxy.connections == 2)
    pool.release(lent)
    assert pool.freesize == 1
    waiter = asyncio.create_task(use(pool))
    # The pool's lock is what both wait for; with a free connection in it.
    done, _ = await asyncio.wait([connecting, waiter], timeout=LONG_S)
    assert not done
    assert pool.freesize == 1
    for task in (connecting, waiter):
        task.cancel()
    await asyncio.gather(connecting, waiter, return_exceptions=True)


@pytest.mark.requirement("M14")
async def test_a_command_whose_answer_is_lost_is_sent_again(redis_url: str, tmp_path: Path) -> None:
    parts = urlsplit(redis_url)
    upstream = parts.path if parts.scheme == "unix" else (parts.hostname or "", parts.port or 6379)
    database = parse_qs(parts.query).get("db", ["0"])[0]
    async with fault_proxy(upstream, tmp_path / "s") as proxy:
        client = Redis(unix_socket_path=str(proxy.listen), db=int(database))
        await client.ping()
        losses = iter([True])
        proxy.set(cut_instead_of_answer_to=lambda chunk: b"INCR" in chunk and next(losses, False))
        # Once, says the caller.
        assert await client.incr("counter") == 2
        await client.aclose()
