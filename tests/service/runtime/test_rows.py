"""What statements give is what the driver makes of them, value by value and type by type: on the server of these tests."""

import aiomysql
import pytest

from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.runtime.mysql import Database
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.literals import DECODERS
from tests.support.databases import run_on

TABLE = """
    CREATE TABLE every_kind (
      tiny TINYINT, small SMALLINT UNSIGNED, medium MEDIUMINT, big BIGINT UNSIGNED, filled INT(8) UNSIGNED ZEROFILL,
      real_ FLOAT, twice DOUBLE, exact DECIMAL(20,6), bits BIT(12), day DATE, at_ DATETIME(3), stamp TIMESTAMP(6) NULL,
      clock_ TIME, year_ YEAR, chars CHAR(5), many VARCHAR(500), words MEDIUMTEXT, ascii_ VARCHAR(20) CHARACTER SET ascii,
      id BINARY(16), raw VARBINARY(500), blob_ MEDIUMBLOB, one ENUM('a','b'), some SET('x','y'), doc JSON
    ) CHARACTER SET utf8mb4
"""

FULL = """
    INSERT INTO every_kind VALUES (-5, 65535, -8388608, 18446744073709551615, 7, 1.5, -2.25e100, 12345678901234.567890,
      b'101', '2026-05-20', '2026-05-20 14:30:15.123', '2026-05-20 14:30:15.654321', '-23:59:59', 2026, '걸음', REPEAT('é', 400),
      REPEAT('🚶', 30000), 'Asia/Seoul', REPEAT('\\0', 16), REPEAT(x'fffb', 150), REPEAT(x'fe', 70000), 'b', 'x,y', '{"a": [1]}')
"""

STATEMENTS = [
    "SELECT * FROM every_kind",
    "SELECT * FROM every_kind WHERE tiny = 9",
    "SELECT 1, NULL, '', x'', 1.50, 2e0, 3 > 2, MAX(small), SUM(big), AVG(tiny), COUNT(*), MAX(UNIX_TIMESTAMP(at_)) * 1000 FROM every_kind",
    "SELECT CURRENT_DATE, CAST('2026-05-20' AS DATE), CAST(x'00ff' AS CHAR(2) CHARACTER SET latin1), HEX(raw) FROM every_kind",
    "SELECT a.tiny, b.many, c.id FROM every_kind a, every_kind b, every_kind c",
    "SHOW VARIABLES LIKE 'version%'",
]


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_rows_are_those_of_the_driver(mysql_url: str, statement: str) -> None:
    await run_on(mysql_url, TABLE, FULL, "INSERT INTO every_kind () VALUES ()", FULL)
    async with Database(mysql_url, pool_size=1) as database, database.reading() as tx:
        ours = await tx.all(statement)
    address = Address.parse(mysql_url)
    where = (
        {"unix_socket": address.unix_socket} if address.unix_socket else {"host": address.host, "port": address.port}
    )
    plain = await aiomysql.connect(
        **where, user=address.user, password=address.password, db=address.database, charset="utf8mb4", conv=DECODERS
    )
    try:
        await plain.query("SET time_zone='+00:00'")
        await plain.query(statement)
        theirs = plain._result.rows or ()
    finally:
        plain.close()
    assert list(ours) == list(theirs)
    assert [list(map(type, row)) for row in ours] == [list(map(type, row)) for row in theirs]


async def test_two_results_of_one_statement_are_refused_and_the_next_statement_has_its_own(mysql_url: str) -> None:
    await run_on(mysql_url, "CREATE PROCEDURE two() BEGIN SELECT 1; DO SLEEP(0.3); SELECT 2; END")
    async with Database(mysql_url, pool_size=1) as database:
        with pytest.raises(DatabaseUnavailable):
            async with database.reading() as tx:
                await tx.all("CALL two()")
        async with database.reading() as tx:
            assert await tx.one("SELECT 3") == (3,)
