"""Who gets a connection, in which order, and in which state."""

import asyncio
import random

import pytest

from firewalker.kernel.faults import DatabaseUnavailable, DeadlineExceeded, Overloaded
from firewalker.runtime import process
from firewalker.runtime.deadline import deadline
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.mysql import pool as pools
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import Connection, connect
from firewalker.runtime.mysql.pool import Pool
from tests.service.runtime.pool.ledger import TABLE, use
from tests.support.cancelling import every_cancellation
from tests.support.databases import run_on
from tests.support.proxy import FaultProxy
from tests.support.waiting import until


@pytest.mark.requirement("DATA-04", "NET-23", "TEST-03")
async def test_ten_thousand_random_cancels_leave_no_stuck_waiter(mysql_url: str) -> None:
    rng = random.Random(12)
    async with Database(mysql_url, pool_size=2) as db:
        asked = 0

        async def ask() -> None:
            nonlocal asked
            if rng.random() < 0.5:
                async with db.reading() as tx:
                    assert await tx.one("SELECT 1") == (1,)
            else:
                async with db.transaction() as tx:
                    assert await tx.one("SELECT 2") == (2,)
                    assert await tx.one("SELECT 3") == (3,)
            asked += 1

        for _ in range(500):
            tasks = [asyncio.create_task(ask()) for _ in range(20)]
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            for task in tasks:
                for _ in range(rng.randrange(6)):
                    await asyncio.sleep(0)
                if rng.random() < 0.1:
                    await asyncio.sleep(0.0005)
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert not [r for r in results if r and not isinstance(r, asyncio.CancelledError)]
        assert asked > 100
        assert (db.pool.lent, db.pool.waiting) == (0, 0)
        async with asyncio.timeout(60):
            await asyncio.gather(*(ask() for _ in range(100)))
        await until(lambda: db.pool.opening == 0)
        assert db.pool.idle <= 2


@pytest.mark.requirement("DATA-04", "TEST-03")
async def test_a_hung_connect_holds_up_nobody_who_can_use_another_connection(mysql_url: str) -> None:
    address = Address.parse(mysql_url)
    hang = asyncio.Event()
    opened = 0

    async def open_one() -> Connection:
        nonlocal opened
        opened += 1
        if opened > 1:
            await hang.wait()
        return await connect(address, statement_s=5)

    pool = Pool(open_one, size=3, name="hung")
    try:
        async with pool.lend(autocommit=True):
            waiting = [asyncio.create_task(use(pool)) for _ in range(5)]
            await until(lambda: pool.waiting == 5)
            assert pool.opening == 2
        async with asyncio.timeout(60):
            await asyncio.gather(*waiting)
    finally:
        hang.set()
        await pool.close()


async def test_waiters_are_served_in_the_order_in_which_they_came(mysql_url: str) -> None:
    order: list[int] = []
    async with Database(mysql_url, pool_size=1) as db:

        async def take(number: int) -> None:
            async with db.reading() as tx:
                order.append(number)
                await tx.one("SELECT 1")

        async with db.reading():
            tasks = [asyncio.create_task(take(number)) for number in range(20)]
            await until(lambda: db.pool.waiting == 20)
        await asyncio.gather(*tasks)
    assert order == list(range(20))


async def test_the_connection_used_last_is_used_first(mysql_url: str) -> None:
    async with Database(mysql_url, pool_size=5) as db:
        async with db.reading() as one, db.reading() as two:
            ids = [(await tx.one("SELECT CONNECTION_ID()"))[0] for tx in (one, two)]
        for _ in range(3):
            async with db.reading() as tx:
                assert (await tx.one("SELECT CONNECTION_ID()"))[0] == ids[0]


async def test_never_more_connections_than_the_pool_size(mysql_url: str, proxy: FaultProxy, proxied_url: str) -> None:
    async with Database(proxied_url, pool_size=3) as db:

        async def ask() -> None:
            async with db.transaction() as tx:
                await tx.one("SELECT 1")

        await asyncio.gather(*(ask() for _ in range(200)))
        assert proxy.connections <= 3
    del mysql_url


async def test_callers_are_refused_when_all_connections_stay_inuse(
    mysql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database(mysql_url, pool_size=1) as db, db.reading():
        monkeypatch.setattr("firewalker.runtime.mysql.pool.ACQUIRE_S", 0.05)
        with pytest.raises(Overloaded):
            async with db.reading():
                pass
        with pytest.raises(DeadlineExceeded), deadline(0.02):
            async with db.reading():
                pass


@pytest.mark.requirement("NET-40")
async def test_a_process_whose_connections_are_all_in_use_is_ready(
    mysql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else the check ends before the pool has told the reason.
    assert process.CHECK_LIMIT_S >= 1.5 * pools.ACQUIRE_S
    monkeypatch.setattr(pools, "ACQUIRE_S", 0.05)
    monkeypatch.setattr(process, "CHECK_LIMIT_S", 60.0)
    async with Database(mysql_url, pool_size=1) as db:
        app = process.App(servers=[], checks={"mysql": db.ping})
        async with db.reading():
            assert await process._failed_check(app) is None


async def test_an_expired_connection_is_replaced(mysql_url: str) -> None:
    async with Database(mysql_url) as db:
        async with db.pool.lend(autocommit=True) as connection:
            first = connection.server_id
            connection.expires = 0
        async with db.pool.lend(autocommit=True) as connection:
            assert connection.server_id != first


async def test_a_connection_that_is_left_inside_a_transaction_is_not_handed_on(mysql_url: str) -> None:
    async with Database(mysql_url) as db:
        async with db.pool.lend(autocommit=True) as connection:
            await connection.ask("BEGIN", 1)
        assert db.pool.idle == 0


async def test_closing_waits_for_what_is_under_way_and_refuses_the_rest(mysql_url: str) -> None:
    db = Database(mysql_url, pool_size=1)
    await db.open()
    async with db.reading() as tx:
        closing = asyncio.create_task(db.close())
        waiting = asyncio.create_task(use(db.pool))
        with pytest.raises(DatabaseUnavailable):
            await waiting
        assert not closing.done()
        assert await tx.one("SELECT 1") == (1,)
    await closing
    with pytest.raises(DatabaseUnavailable):
        async with db.reading():
            pass


@pytest.mark.alone
@pytest.mark.requirement("NET-23")
@pytest.mark.parametrize("warm", [False, True])
async def test_wherever_a_transaction_is_cancelled_nothing_is_left(mysql_url: str, warm: bool) -> None:  # noqa: FBT001
    await run_on(mysql_url, TABLE, "INSERT INTO ledger VALUES (1, 0), (2, 0)")

    async def move() -> None:
        async with db.transaction() as tx:
            await tx.execute("UPDATE ledger SET size = size + 1 WHERE id = 1")
            await tx.execute("UPDATE ledger SET size = size + 1 WHERE id = 2")

    points = 0
    async with Database(mysql_url, pool_size=2) as db:
        async for _ in every_cancellation(move):
            points += 1
            assert (db.pool.lent, db.pool.waiting) == (0, 0)
            async with asyncio.timeout(1):
                await retried(move)()  # no lock is left
            one, two = await run_on(mysql_url, "SELECT size FROM ledger ORDER BY id")
            assert one == two
            if not warm:
                for connection in db.pool._idle:
                    connection.expires = 0
    assert points > 3
