import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from pymysql.err import OperationalError

from firewalker.kernel.faults import DatabaseUnavailable, DeadlineExceeded, Overloaded
from firewalker.runtime import process
from firewalker.runtime.deadline import deadline
from firewalker.runtime.mysql import Database, OutcomeUnknown, retried
from firewalker.runtime.mysql import pool as pools
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import Connection, connect
from firewalker.runtime.mysql.pool import Pool
from tests.support.cancelling import every_cancellation
from tests.support.databases import run_on
from tests.support.proxy import FaultProxy, fault_proxy
from tests.support.waiting import until

TABLE = "CREATE TABLE ledger (id INT PRIMARY KEY, size INT NOT NULL DEFAULT 0) ENGINE=InnoDB"


@pytest.fixture
async def proxy(mysql_url: str, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    await run_on(mysql_url, TABLE)
    parts = urlsplit(mysql_url)
    socket = parse_qs(parts.query).get("unix_socket")
    async with fault_proxy(
        socket[0] if socket else (parts.hostname or "", parts.port or 3306), tmp_path / "s"
    ) as proxy:
        yield proxy


@pytest.fixture
def proxied_url(mysql_url: str, proxy: FaultProxy) -> str:
    return f"{mysql_url.partition('?')[0]}?unix_socket={quote(str(proxy.listen), safe='')}"


async def insert(db: Database, number: int) -> None:
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO ledger (id) VALUES (%s)", (number,))


async def stored(mysql_url: str) -> list[object]:
    return [number for (number,) in await run_on(mysql_url, "SELECT id FROM ledger ORDER BY id")]


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
            waiting = [asyncio.create_task(_use(pool)) for _ in range(5)]
            await until(lambda: pool.waiting == 5)
            assert pool.opening == 2
        async with asyncio.timeout(60):
            await asyncio.gather(*waiting)
    finally:
        hang.set()
        await pool.close()


async def _use(pool: Pool) -> None:
    async with pool.lend(autocommit=True) as connection:
        await connection.ask("DO 1", 1)


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


async def test_callers_are_refused_when_all_connections_stay_in_use(
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


async def test_a_connection_killed_while_idle_is_noticed(mysql_url: str) -> None:
    async with Database(mysql_url) as db:
        async with db.pool.lend(autocommit=True) as connection:
            victim = connection.server_id
        await run_on(mysql_url, f"KILL {victim}")
        await until(lambda: not connection.usable)
        async with db.reading() as tx:
            assert await tx.one("SELECT 1") == (1,)


DISCONNECTED = b"#HY000The client was disconnected by the server because of inactivity."
LEAVE = (len(DISCONNECTED) + 3).to_bytes(3, "little") + b"\0\xff" + (4031).to_bytes(2, "little") + DISCONNECTED
"""What MySQL 8 says at the end of `wait_timeout`, unasked."""


@pytest.mark.requirement("DATA-04")
@pytest.mark.parametrize("words", [b"", LEAVE], ids=["MariaDB", "MySQL 8"])
async def test_idle_connections_that_the_server_left_cost_no_statement(
    proxy: FaultProxy, proxied_url: str, words: bytes
) -> None:
    async with Database(proxied_url, pool_size=3) as db:
        async with db.reading() as one, db.reading() as two, db.reading() as three:
            for tx in (one, two, three):
                await tx.one("SELECT 1")
        assert db.pool.idle == 3
        proxy.take_leave(words)
        await until(lambda: not any(connection.usable for connection in db.pool._idle))
        async with db.reading() as tx:  # not repeated
            assert await tx.one("SELECT 1") == (1,)


@pytest.mark.requirement("DATA-03")
async def test_a_full_server_is_not_asked_again_at_once_and_who_waits_is_served_by_what_comes_back(
    mysql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.runtime.mysql.pool.FULL_PAUSE_S", 30.0)
    monkeypatch.setattr("firewalker.runtime.mysql.pool.ACQUIRE_S", 60.0)
    address = Address.parse(mysql_url)
    attempts, room = 0, 2

    async def open_one() -> Connection:
        nonlocal attempts
        attempts += 1
        if attempts > room:
            raise OperationalError(1040, "Too many connections")
        return await connect(address, statement_s=5)

    pool = Pool(open_one, size=5, name="full")
    try:
        for _ in range(10):
            await asyncio.gather(*(_use(pool) for _ in range(20)))
        assert attempts <= 5  # those of the first moment
        async with pool.lend(autocommit=True), pool.lend(autocommit=True):
            waiting = asyncio.create_task(_use(pool))
            await until(lambda: pool.waiting == 1)
            room, before = 1_000, attempts
            pool._go_on()  # the pause is over
            await waiting
            assert attempts == before + 1
    finally:
        await pool.close()


@pytest.mark.requirement("DATA-03", "DATA-05")
async def test_a_server_that_is_full_of_others_fails_who_waits() -> None:
    async def open_one() -> Connection:
        raise OperationalError(1040, "Too many connections")

    pool = Pool(open_one, size=5, name="full")
    results = await asyncio.gather(*(_use(pool) for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {DatabaseUnavailable}
    await pool.close()


@pytest.mark.alone
@pytest.mark.requirement("DATA-05")
async def test_an_unreachable_server_fails_everybody_fast_and_is_found_again(
    proxy: FaultProxy, proxied_url: str
) -> None:
    async with Database(proxied_url, pool_size=2) as db:
        proxy.set(refuse=True)
        proxy.cut_all()
        await until(lambda: not db.pool._idle or not db.pool._idle[0].usable)
        async with asyncio.timeout(1):
            results = await asyncio.gather(*(insert(db, n) for n in range(50)), return_exceptions=True)
        assert {type(result) for result in results} == {DatabaseUnavailable}
        proxy.set()
        await insert(db, 1)


@pytest.mark.requirement("DATA-05", "DATA-04")
@pytest.mark.alone
async def test_a_silent_server_costs_a_call_no_more_than_its_deadline(proxy: FaultProxy, proxied_url: str) -> None:
    async with Database(proxied_url, pool_size=2) as db:
        proxy.set(black_hole=True)
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def ask(number: int) -> None:
            with deadline(0.3):
                await insert(db, number)

        results = await asyncio.gather(*(ask(n) for n in range(20)), return_exceptions=True)
        assert {type(result) for result in results} == {DeadlineExceeded}
        assert loop.time() - began < 0.6
        proxy.set()
        await insert(db, 100)


@pytest.mark.requirement("DATA-04")
@pytest.mark.alone
async def test_connecting_takes_at_most_two_seconds(proxy: FaultProxy, proxied_url: str) -> None:
    proxy.set(black_hole=True)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(DatabaseUnavailable):
        await Database(proxied_url).open()
    assert 1.5 < loop.time() - began < 3


@pytest.mark.requirement("DATA-03")
async def test_a_connection_lost_before_commit_is_repeated(mysql_url: str, proxy: FaultProxy, proxied_url: str) -> None:
    async with Database(proxied_url) as db:
        runs = 0

        @retried
        async def work() -> None:
            nonlocal runs
            runs += 1
            if runs == 1:
                proxy.set(cut_before=lambda chunk: b"\x03COMMIT" in chunk)
            else:
                proxy.set()
            await insert(db, 1)

        with pytest.raises(OutcomeUnknown):
            await work()  # cut before it arrived, but we cannot know that: it was sent
        assert await stored(mysql_url) == []

        runs = 0
        proxy.set()

        @retried
        async def other() -> None:
            nonlocal runs
            runs += 1
            proxy.set(**({"cut_before": lambda chunk: b"INSERT" in chunk} if runs < 3 else {}))
            await insert(db, 2)

        await other()
        assert (runs, await stored(mysql_url)) == (3, [2])


@pytest.mark.requirement("DATA-03")
async def test_a_lost_answer_to_commit_is_unknown_and_repeated_only_if_idempotent(
    mysql_url: str, proxy: FaultProxy, proxied_url: str
) -> None:
    async with Database(proxied_url) as db:
        runs = 0

        async def add() -> None:
            nonlocal runs
            runs += 1
            proxy.set(**({"cut_instead_of_answer_to": lambda chunk: b"\x03COMMIT" in chunk} if runs == 1 else {}))
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO ledger VALUES (1, 1) ON DUPLICATE KEY UPDATE size = GREATEST(size, 1)")

        with pytest.raises(OutcomeUnknown):
            await retried(add)()
        assert (runs, await stored(mysql_url)) == (1, [1])
        runs = 0
        await retried(idempotent=True)(add)()
        assert (runs, await stored(mysql_url)) == (2, [1])


@pytest.mark.requirement("DATA-03", "DATA-25")
async def test_every_cut_keeps_what_was_acknowledged_and_invents_nothing(
    mysql_url: str, proxy: FaultProxy, proxied_url: str
) -> None:
    rng = random.Random(3)
    async with Database(proxied_url, pool_size=2) as db:
        acknowledged, unknown = set(), set()
        for number in range(150):
            which = "cut_upstream_after" if rng.random() < 0.5 else "cut_downstream_after"
            proxy.set(**{which: rng.randrange(1, 400)})
            try:
                await retried(insert)(db, number)
                acknowledged.add(number)
            except OutcomeUnknown:
                unknown.add(number)
            except DatabaseUnavailable:
                pass
        proxy.set()
        found = set(await stored(mysql_url))
    assert acknowledged <= found <= acknowledged | unknown
    assert acknowledged
    assert unknown


async def test_closing_waits_for_what_is_under_way_and_refuses_the_rest(mysql_url: str) -> None:
    db = Database(mysql_url, pool_size=1)
    await db.open()
    async with db.reading() as tx:
        closing = asyncio.create_task(db.close())
        waiting = asyncio.create_task(_use(db.pool))
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


@pytest.mark.requirement("DATA-03")
@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\x00\x00\x00\x0a5.7\x00", bytes(64), b"\xff" * 64]
)
async def test_a_stranger_in_the_server_s_place_is_an_unavailable_database(garbage: bytes, tmp_path: Path) -> None:
    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(garbage)
        try:
            await reader.read(10)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_unix_server(stranger, tmp_path / "s")
    with pytest.raises(DatabaseUnavailable):
        await Database(f"mysql://root@localhost/x?unix_socket={quote(str(tmp_path / 's'), safe='')}").open()
    server.close()
    await server.wait_closed()
