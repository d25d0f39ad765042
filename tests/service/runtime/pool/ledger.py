"""A table of numbers, and who writes them."""

from firewalker.runtime.mysql import Database
from firewalker.runtime.mysql.pool import Pool
from tests.support.databases import run_on

TABLE = "CREATE TABLE ledger (id INT PRIMARY KEY, size INT NOT NULL DEFAULT 0) ENGINE=InnoDB"


async def insert(db: Database, number: int) -> None:
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO ledger (id) VALUES (%s)", (number,))


async def stored(mysql_url: str) -> list[object]:
    return [number for (number,) in await run_on(mysql_url, "SELECT id FROM ledger ORDER BY id")]


async def use(pool: Pool) -> None:
    async with pool.lend(autocommit=True) as connection:
        await connection.ask("DO 1", 1)
