import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import pytest

from firewalker.kernel.faults import Contention, DatabaseUnavailable, DeadlineExceeded
from firewalker.runtime.deadline import deadline
from firewalker.runtime.mysql import Database, DuplicateKey, StatementFailed, Transaction, retried
from firewalker.runtime.mysql.literals import literal
from tests.support.databases import run_on
from tests.support.waiting import until

TABLE = """
    CREATE TABLE thing (id BINARY(16) PRIMARY KEY, name VARCHAR(20) NOT NULL, size INT NOT NULL DEFAULT 0,
      made DATETIME(3) NULL, UNIQUE KEY thing_name (name)) ENGINE=InnoDB
"""


@pytest.fixture
async def db(mysql_url: str) -> AsyncIterator[Database]:
    await run_on(mysql_url, TABLE)
    async with Database(mysql_url, pool_size=4) as database:
        yield database


async def add(tx: Transaction, name: str, size: int = 0) -> None:
    await tx.execute("INSERT INTO thing (id, name, size) VALUES (%s, %s, %s)", (uuid4(), name, size))


async def names(db: Database) -> list[str]:
    async with db.reading() as tx:
        return [name for (name,) in await tx.all("SELECT name FROM thing ORDER BY name")]


async def test_a_transaction_commits_when_its_block_is_left(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx, "one")
        assert await names(db) == []
    assert await names(db) == ["one"]


async def test_an_exception_rolls_back_and_keeps_the_connection(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await add(tx, "one")
            raise ZeroDivisionError
    assert await names(db) == []
    assert db.pool.idle == 1
    assert db.pool.lent == 0


async def test_values_survive_the_way_there_and_back(db: Database) -> None:
    made = datetime(2026, 5, 20, 14, 30, 15, 123_000, tzinfo=timezone(timedelta(hours=9)))
    key, name = uuid4(), "50% \\ '\"\n\0 걸음 🚶"
    async with db.transaction() as tx:
        row = {"id": key.bytes, "name": name, "made": made}
        await tx.execute("INSERT INTO thing (id, name, made) VALUES (%(id)s, %(name)s, %(made)s)", row)
        assert await tx.one("SELECT id, name, made FROM thing WHERE id = %s", (key,)) == (key.bytes, name, made)
        found = (await tx.one("SELECT made FROM thing"))[0]
        assert found.tzinfo is UTC


@pytest.mark.parametrize("microseconds", [999_499, 999_500, 999_999])
async def test_an_instant_is_cut_to_what_its_column_holds(db: Database, microseconds: int) -> None:
    made = datetime(2026, 12, 31, 23, 59, 59, microseconds, tzinfo=UTC)
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO thing (id, name, made) VALUES (%s, %s, %s)", (uuid4(), "one", made))
        assert await tx.one("SELECT made, made <= %s FROM thing", (made,)) == (made.replace(microsecond=999_000), 1)


async def test_many_rows_go_in_one_statement(db: Database) -> None:
    rows = [(uuid4(), f"n{i}", i) for i in range(500)]
    async with db.transaction() as tx:
        assert await tx.execute_rows("INSERT INTO thing (id, name, size) VALUES", "(%s,%s,%s)", rows) == 500
        assert await tx.execute_rows("INSERT INTO thing (id, name, size) VALUES", "(%s,%s,%s)", []) == 0
        tail = "ON DUPLICATE KEY UPDATE size = GREATEST(size, VALUES(size))"
        assert await tx.execute_rows("INSERT INTO thing (id, name, size) VALUES", "(%s,%s,%s)", rows, tail) == 0


async def test_one_raises_and_find_returns_none_where_there_is_no_row(db: Database) -> None:
    async with db.reading() as tx:
        assert await tx.find("SELECT id FROM thing") is None
        with pytest.raises(LookupError):
            await tx.one("SELECT id FROM thing")


async def test_a_duplicate_names_its_key_and_the_transaction_goes_on(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx, "for key 'x'")
        with pytest.raises(DuplicateKey) as caught:
            await add(tx, "for key 'x'")
        assert caught.value.key == "thing_name"
        await add(tx, "other")
    assert await names(db) == ["for key 'x'", "other"]


async def test_a_refused_statement_shows_no_values(db: Database) -> None:
    with pytest.raises(StatementFailed) as caught:
        async with db.transaction() as tx:
            await tx.execute("SELECT nonsense FROM thing WHERE name = %s", ("secret",))
    assert caught.value.code == 1054
    assert "secret" not in str(caught.value)
    with pytest.raises(StatementFailed) as caught:
        async with db.transaction() as tx:
            await tx.execute("SELEKT %s", ("secret",))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_one_call_is_one_statement(db: Database) -> None:
    with pytest.raises(StatementFailed):
        async with db.transaction() as tx:
            await tx.execute("DELETE FROM thing; DELETE FROM thing")


@pytest.mark.requirement("DATA-02", "DATA-06")
async def test_sessions_have_the_settings_that_statements_rely_on(db: Database) -> None:
    async with db.reading() as tx:
        version = (await tx.one("SELECT VERSION()"))[0]
        mariadb = "MariaDB" in version
        isolation = "@@tx_isolation" if mariadb else "@@transaction_isolation"
        limit = "@@max_statement_time" if mariadb else "@@max_execution_time / 1000"
        row = await tx.one(
            f"SELECT {isolation}, @@time_zone, @@innodb_lock_wait_timeout, @@lock_wait_timeout, @@collation_connection,"
            f" @@character_set_client, {limit}, @@sql_mode LIKE '%STRICT_TRANS_TABLES%'"
        )
    assert row[:6] == ("READ-COMMITTED", "+00:00", 3, 5, "utf8mb4_unicode_ci", "utf8mb4")
    assert (float(row[6]), row[7]) == (5.0, 1)


async def test_a_password_may_have_any_characters(mysql_url: str) -> None:
    name, password = f"walker_{uuid4().hex[:8]}", "길 für 50%, 'plain'"
    parts = urlsplit(mysql_url)
    of_walker = parts._replace(netloc=f"{name}:{quote(password)}@localhost", path="/")
    await run_on(mysql_url, f"CREATE USER {name}@localhost IDENTIFIED BY {literal(password)}")
    try:
        assert await run_on(urlunsplit(of_walker), "SELECT CURRENT_USER()") == [(f"{name}@localhost",)]
    finally:
        await run_on(mysql_url, f"DROP USER {name}@localhost")


@pytest.mark.requirement("DATA-03")
async def test_deadlocks_are_repeated_until_both_transactions_are_done(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx, "a")
        await add(tx, "b")
    runs = 0

    @retried
    async def raise_both(first: str, second: str) -> None:
        nonlocal runs
        runs += 1
        async with db.transaction() as tx:
            await tx.execute("UPDATE thing SET size = size + 1 WHERE name = %s", (first,))
            await asyncio.sleep(0.02)  # so that each has its first row before it wants its second
            await tx.execute("UPDATE thing SET size = size + 1 WHERE name = %s", (second,))

    for _ in range(5):
        await asyncio.gather(raise_both("a", "b"), raise_both("b", "a"))
    async with db.reading() as tx:
        assert [size for (size,) in await tx.all("SELECT size FROM thing")] == [10, 10]
    assert runs > 10


@pytest.mark.requirement("DATA-03")
async def test_a_deadlock_without_repeat_is_contention(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx, "a")
        await add(tx, "b")

    async def both(first: str, second: str) -> None:
        async with db.transaction() as tx:
            await tx.execute("UPDATE thing SET size = size + 1 WHERE name = %s", (first,))
            await asyncio.sleep(0.02)
            await tx.execute("UPDATE thing SET size = size + 1 WHERE name = %s", (second,))

    outcomes = await asyncio.gather(both("a", "b"), both("b", "a"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome] == [Contention]


@pytest.mark.requirement("DATA-03", "DATA-06")
async def test_a_lock_that_is_not_granted_within_3_s_rolls_everything_back(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx, "locked")
    async with db.transaction() as holder:
        await holder.execute("UPDATE thing SET size = 1 WHERE name = 'locked'")
        with pytest.raises(Contention):
            async with db.transaction() as tx:
                await add(tx, "mine")
                await tx.execute("UPDATE thing SET size = 2 WHERE name = 'locked'")
    assert await names(db) == ["locked"]


async def test_an_undone_transaction_that_is_carried_on_is_refused(db: Database) -> None:
    with pytest.raises(RuntimeError, match="swallowed"):
        async with db.transaction() as tx:
            await add(tx, "a")
            with pytest.raises(DeadlineExceeded), deadline(0.05):
                await tx.one("SELECT SLEEP(3)")
            with pytest.raises(RuntimeError, match="undone"):
                await add(tx, "b")
    assert await names(db) == []


@pytest.mark.requirement("NET-30")
async def test_a_statement_is_stopped_on_the_server_when_the_deadline_passes(db: Database, mysql_url: str) -> None:
    with pytest.raises(DeadlineExceeded), deadline(0.05):
        async with db.reading() as tx:
            await tx.one("SELECT SLEEP(30), 'looked for'")

    async def running() -> list[tuple[object, ...]]:
        return await run_on(
            mysql_url, "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(30)%'"
        )

    for _ in range(3000):
        if not await running():
            return
        await asyncio.sleep(0.005)
    pytest.fail("the server still works on it")


@pytest.mark.requirement("NET-30")
async def test_nothing_is_sent_for_a_call_whose_deadline_has_passed(db: Database) -> None:
    with deadline(0.0), pytest.raises(DeadlineExceeded):
        async with db.transaction() as tx:
            await add(tx, "late")
    with deadline(0.2), pytest.raises(DeadlineExceeded):
        async with db.transaction() as tx:
            await add(tx, "late")
            await asyncio.sleep(0.25)
    assert await names(db) == []


@pytest.mark.requirement("DATA-06")
async def test_the_server_limits_statements_by_itself(mysql_url: str) -> None:
    async with Database(mysql_url, statement_s=0.3) as db, db.reading() as tx:
        # SLEEP is interrupted with 1, or fails with the time-out's error, by version.
        with pytest.raises((DeadlineExceeded, AssertionError)):
            assert await tx.one("SELECT SLEEP(2)") == (0,)


@pytest.mark.requirement("NET-23")
async def test_a_cancelled_transaction_leaves_no_lock(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx, "a")
    inside = asyncio.Event()

    async def hold() -> None:
        async with db.transaction() as tx:
            await tx.execute("UPDATE thing SET size = 7 WHERE name = 'a'")
            inside.set()
            await asyncio.sleep(30)

    task = asyncio.create_task(hold())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with db.transaction() as tx:
        await tx.execute("UPDATE thing SET size = size + 1 WHERE name = 'a'")
    async with db.reading() as tx:
        assert await tx.one("SELECT size FROM thing") == (1,)
    await until(lambda: db.pool.lent == 0)


async def test_a_wrong_address_shows_at_the_start(mysql_url: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        await Database(mysql_url.replace("/test_", "/no_such_")).open()
