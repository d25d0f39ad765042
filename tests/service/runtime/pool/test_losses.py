"""Servers and connections that are away, full, silent, lost at any moment, or somebody else."""

import asyncio
import random
from pathlib import Path
from urllib.parse import quote

import pytest
from pymysql.err import OperationalError

from firewalker.kernel.faults import DatabaseUnavailable, DeadlineExceeded
from firewalker.runtime.deadline import deadline
from firewalker.runtime.mysql import Database, OutcomeUnknown, retried
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import Connection, connect
from firewalker.runtime.mysql.pool import Pool
from tests.service.runtime.pool.ledger import insert, stored, use
from tests.support.databases import run_on
from tests.support.proxy import FaultProxy
from tests.support.waiting import until

DISCONNECTED = b"#HY000The client was disconnected by the server because of inactivity."
LEAVE = (len(DISCONNECTED) + 3).to_bytes(3, "little") + b"\0\xff" + (4031).to_bytes(2, "little") + DISCONNECTED
"""What MySQL 8 says at the end of `wait_timeout`, unasked."""


async def test_a_connection_killed_while_idle_is_noticed(mysql_url: str) -> None:
    async with Database(mysql_url) as db:
        async with db.pool.lend(autocommit=True) as connection:
            victim = connection.server_id
        await run_on(mysql_url, f"KILL {victim}")
        await until(lambda: not connection.usable)
        async with db.reading() as tx:
            assert await tx.one("SELECT 1") == (1,)


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
            await asyncio.gather(*(use(pool) for _ in range(20)))
        assert attempts <= 5  # those of the first moment
        async with pool.lend(autocommit=True), pool.lend(autocommit=True):
            waiting = asyncio.create_task(use(pool))
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
    results = await asyncio.gather(*(use(pool) for _ in range(20)), return_exceptions=True)
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
