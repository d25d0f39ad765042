"""What a pool makes of a server that is killed, hangs, or comes back: on a server of its own."""

import asyncio
from collections.abc import Iterator

import pytest

from firewalker.kernel.faults import DatabaseUnavailable, DeadlineExceeded, Fault, Overloaded
from firewalker.local.servers import PrivateServers
from firewalker.runtime.deadline import deadline
from firewalker.runtime.mysql import Database, OutcomeUnknown, retried
from tests.support.databases import run_on

TABLE = "CREATE TABLE ledger (id INT PRIMARY KEY) ENGINE=InnoDB"


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServers]:
    with PrivateServers.start(tmp_path_factory.mktemp("own"), databases=("walks",)) as servers:
        yield servers


@pytest.mark.requirement("DATA-03", "DATA-05", "DATA-25")
async def test_a_killed_server_loses_nothing_acknowledged_and_is_found_again_at_once(own: PrivateServers) -> None:
    url = own.mysql_url("walks")
    await run_on(url, TABLE)
    acknowledged, unknown, stop = set(), set(), asyncio.Event()
    numbers = iter(range(1_000_000))

    async with Database(url, pool_size=4) as db:

        @retried
        async def insert(number: int) -> None:
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO ledger VALUES (%s)", (number,))

        async def work() -> None:
            while not stop.is_set():
                number = next(numbers)
                try:
                    with deadline(1.0):
                        await insert(number)
                    acknowledged.add(number)
                except OutcomeUnknown:
                    unknown.add(number)
                except (DatabaseUnavailable, DeadlineExceeded, Overloaded):
                    await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(work()) for _ in range(8)]
        for _ in range(2):
            await _more(acknowledged)
            await asyncio.to_thread(own.mysql.kill)
            await asyncio.sleep(0.1)  # an outage, not a wait
            own.mysql.start()  # from this thread, or the server would end with it
            async with asyncio.timeout(60):
                await _more(acknowledged)
        stop.set()
        await asyncio.gather(*tasks)
        assert (db.pool.lent, db.pool.waiting) == (0, 0)
    found = {number for (number,) in await run_on(url, "SELECT id FROM ledger")}
    assert acknowledged <= found <= acknowledged | unknown


@pytest.mark.requirement("DATA-05")
async def test_a_server_that_hangs_costs_each_call_its_deadline_and_then_serves_on(own: PrivateServers) -> None:
    url = own.mysql_url("walks")

    async with Database(url, pool_size=2) as db:

        async def ask() -> None:
            with deadline(0.3):
                async with db.reading() as tx:
                    await tx.one("SELECT 1")

        await ask()
        own.mysql.pause()
        try:
            results = await asyncio.gather(*(ask() for _ in range(10)), return_exceptions=True)
        finally:
            own.mysql.resume()
        assert [repr(r) for r in results if not isinstance(r, Fault)] == []
        await ask()


@pytest.mark.requirement("DATA-03", "DATA-05")
async def test_a_demoted_server_is_left_and_the_transaction_repeated(own: PrivateServers) -> None:
    root, url = own.mysql_url("walks"), own.mysql_url("walks").replace("root@", "plain@")
    # root may write whatever the server's role
    grants = ["CREATE USER plain@localhost IDENTIFIED BY ''", "GRANT ALL ON walks.* TO plain@localhost"]
    await run_on(root, TABLE, *grants, "SET GLOBAL read_only = ON")

    async with Database(url, pool_size=2) as db:
        runs, seen = 0, set()

        @retried
        async def insert() -> None:
            nonlocal runs
            runs += 1
            if runs == 3:  # the new primary has taken over
                await run_on(root, "SET GLOBAL read_only = OFF")
            async with db.transaction() as tx:
                seen.add((await tx.one("SELECT CONNECTION_ID()"))[0])
                await tx.execute("INSERT INTO ledger VALUES (1)")

        await insert()
        assert runs == len(seen) == 3
    assert await run_on(root, "SELECT id FROM ledger") == [(1,)]


async def _more(seen: set[int], count: int = 50) -> None:
    before = len(seen)
    async with asyncio.timeout(60):
        while len(seen) < before + count:  # noqa: ASYNC110 - it is a set that grows, not an event
            await asyncio.sleep(0.005)
