"""Whole databases as files, and back: for backups on a machine of one's own. In a cloud, the provider's are quicker.

A dump is the state of one moment, for all databases of one server, while everything goes on. It is SQL, one statement a line,
compressed, which any client could load. What it holds is counted and hashed as it is written, and again after a restore.
"""

import gzip
import hashlib
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pymysql.err import MySQLError

from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import Connection, connect
from firewalker.runtime.mysql.literals import literal

STATEMENT_S = 3_600.0
"""Longest that one statement may take."""

PAGE_ROWS = 2_000
INSERT_BYTES = 1_000_000
"""Of one INSERT, unless a single row is longer. Well below the least ``max_allowed_packet`` of a server, 16 MB."""

_BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
_REPEATABLE = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
# Without the mark of a restore (`restoring`), which is no part of what a database holds.
_TABLES = """
    SELECT TABLE_NAME FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = {database} AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME <> 'unfinished_restore'
    ORDER BY TABLE_NAME
"""
_COLUMNS = """
    SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {database} AND TABLE_NAME = {table}
    ORDER BY ORDINAL_POSITION
"""
_KEY = """
    SELECT COLUMN_NAME FROM information_schema.STATISTICS
    WHERE TABLE_SCHEMA = {database} AND TABLE_NAME = {table} AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX
"""
_PAGE = "SELECT {columns} FROM {table} {after} ORDER BY {key} LIMIT {rows}"  # primary key


class SnapshotError(Exception):
    """A dump cannot be made or loaded; the text is a sentence for whoever runs it."""


@dataclass(frozen=True)
class Content:
    """What a table held."""

    rows: int
    sha256: str
    """Of its rows as SQL literals, in the order of the primary key."""


Contents = dict[str, Content]
"""By table."""


async def dump(urls: Sequence[str], paths: Sequence[Path]) -> list[Contents]:
    """Write the database of each URL to the path at the same place in *paths*; what each held.

    All of them are of one moment, and have to be on one server.

    Raises:
        SnapshotError: They are on several, one shows no tables to this user, or a table has no primary key.
    """
    addresses = [address_of(url) for url in urls]
    if len({(each.host, each.port, each.unix_socket) for each in addresses}) != 1:
        raise SnapshotError("databases on several servers have no moment in common; back them up where they are")
    async with connected(addresses[0]) as connection:
        await connection.ask(_REPEATABLE, STATEMENT_S)
        await connection.ask(_BEGIN, STATEMENT_S)
        return [
            await _dump_one(connection, address.database, path) for address, path in zip(addresses, paths, strict=True)
        ]


async def load(url: str, path: Path) -> None:
    """Load a dump into the database of *url*.

    Raises:
        SnapshotError: It is not empty, for nothing is ever overwritten; or the dump is broken.
    """
    address = address_of(url)
    async with connected(address) as connection:
        if await tables(connection, address.database):
            raise SnapshotError(f"the database {address.database} is not empty")
        try:
            with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    await connection.ask(line.rstrip("\n;"), STATEMENT_S)
        except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as problem:
            raise SnapshotError(f"{path} is broken: {problem}") from problem


async def contents(url: str) -> Contents:
    """What the database of *url* holds, by table."""
    address = address_of(url)
    async with connected(address) as connection:
        return {
            table: await _content(connection, address.database, table)
            for table in await tables(connection, address.database)
        }


def address_of(url: str) -> Address:
    """Where the database of *url* is; what is wrong with it is a SnapshotError."""
    try:
        return Address.parse(url)
    except (ValueError, OSError) as problem:  # OSError: of a certificate
        raise SnapshotError(str(problem)) from None


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Connection]:
    """A connection for the block; what the server says against it is a SnapshotError."""
    try:
        connection = await connect(address, statement_s=STATEMENT_S)
        try:
            yield connection
        finally:
            await connection.close()
    except (MySQLError, TimeoutError) as problem:
        raise SnapshotError(f"the database {address.database}: {problem or type(problem).__name__}") from problem


async def _dump_one(connection: Connection, database: str, path: Path) -> Contents:
    names = await tables(connection, database)
    if not names:
        # Tables that a user may not read are not listed either: an empty dump would pass for a backup.
        raise SnapshotError(f"the database {database} has no tables that this user may read")
    found = {}
    with gzip.open(path, "wt", encoding="utf-8", newline="\n", compresslevel=1) as file:
        file.write("SET FOREIGN_KEY_CHECKS = 0;\n")
        for table in names:
            shown = (await connection.ask(f"SHOW CREATE TABLE {_name(database, table)}", STATEMENT_S)).rows
            file.write(" ".join(str(shown[0][1]).split("\n")) + ";\n")
            found[table] = await _content(connection, database, table, file)
    return found


async def _content(connection: Connection, database: str, table: str, file: IO[str] | None = None) -> Content:
    """Count and hash what is in *table*, and write it to *file* if there is one."""
    digest, rows = hashlib.sha256(), 0
    insert = f"INSERT INTO `{table}` VALUES "  # noqa: S608 - the name comes from the server
    waiting: list[str] = []
    size = 0
    async for row in _rows(connection, database, table):
        text = f"({','.join(map(literal, row))})"
        digest.update(text.encode())
        rows += 1
        waiting.append(text)
        size += len(text)
        if size > INSERT_BYTES:
            _write(file, insert, waiting)
            size = 0
    _write(file, insert, waiting)
    return Content(rows, digest.hexdigest())


def _write(file: IO[str] | None, insert: str, waiting: list[str]) -> None:
    if file is not None and waiting:
        file.write(f"{insert}{','.join(waiting)};\n")
    waiting.clear()


async def _rows(connection: Connection, database: str, table: str) -> AsyncIterator[tuple[object, ...]]:
    """All rows in the order of the primary key, page after page, each found through that key."""
    names = {"database": literal(database), "table": literal(table)}
    columns = [str(row[0]) for row in (await connection.ask(_COLUMNS.format(**names), STATEMENT_S)).rows]
    key = [str(row[0]) for row in (await connection.ask(_KEY.format(**names), STATEMENT_S)).rows]
    if not key:
        raise SnapshotError(f"the table {database}.{table} has no primary key")
    places = [columns.index(name) for name in key]
    after = ""
    while True:
        statement = _PAGE.format(
            columns=_list(columns), table=_name(database, table), after=after, key=_list(key), rows=PAGE_ROWS
        )
        page = (await connection.ask(statement, STATEMENT_S)).rows
        for row in page:
            yield row
        if len(page) < PAGE_ROWS:
            return
        after = "WHERE " + _beyond(key, [page[-1][place] for place in places])


def _beyond(key: Sequence[str], values: Sequence[object]) -> str:
    """The condition of rows behind that one; spelt out, for servers read no range from a comparison of rows."""
    choices = []
    for count in range(len(key)):
        same = [f"`{name}` = {literal(value)}" for name, value in zip(key[:count], values, strict=False)]
        choices.append("(" + " AND ".join([*same, f"`{key[count]}` > {literal(values[count])}"]) + ")")
    return " OR ".join(choices)


async def tables(connection: Connection, database: str) -> list[str]:
    """The names of the tables in *database*, in their order."""
    found = await connection.ask(_TABLES.format(database=literal(database)), STATEMENT_S)
    return [str(row[0]) for row in found.rows]


def _name(database: str, table: str) -> str:
    return f"`{database}`.`{table}`"


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
