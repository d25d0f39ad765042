"""Databases that a restore is filling. Each is marked before its first table comes and until the whole backend is there, so that
nobody takes what a killed restore has left behind for a backend: services do not start on it, and another restore begins anew.

The mark is a table. It names the backup, and whether everything of it is there, in the other databases too.
"""

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Final

from pymysql.err import MySQLError

from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import Connection
from firewalker.runtime.mysql.errors import code_of
from firewalker.runtime.mysql.literals import fill
from firewalker.runtime.mysql.snapshot import STATEMENT_S, SnapshotError, address_of, connected, tables

_NO_SUCH_TABLE: Final = 1146

_CREATE = """
    CREATE TABLE IF NOT EXISTS unfinished_restore (
      only_row TINYINT NOT NULL PRIMARY KEY,
      backup VARCHAR(255) NOT NULL,
      whole TINYINT NOT NULL
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""
_NOTE = """
    INSERT INTO unfinished_restore (only_row, backup, whole) VALUES (1, %s, %s)
    ON DUPLICATE KEY UPDATE backup = VALUES(backup), whole = VALUES(whole)
"""
_READ = "SELECT backup, whole FROM unfinished_restore"
_REMOVE = "DROP TABLE unfinished_restore"
_IDLE = "SET SESSION wait_timeout = 604800"
"""The lock is held by a connection that is asked nothing for as long as the restore takes."""


class State(Enum):
    """What a database holds before a restore."""

    EMPTY = "empty"
    UNFINISHED = "unfinished"
    """Something of a restore that did not come to its end; nothing else, for services refuse it."""
    WHOLE = "whole"
    """This backup, as do all the others: the restore was ended while it took away the marks."""
    IN_USE = "in use"


class Filling:
    """A database that nobody else restores into meanwhile. Each step has a connection of its own: hours may lie between them."""

    def __init__(self, address: Address, backup: str) -> None:
        self._address = address
        self._backup = backup

    @property
    def database(self) -> str:
        """Its name."""
        return self._address.database

    async def state(self) -> State:
        """What it holds."""
        async with connected(self._address) as connection:
            mark = await _mark(connection)
            if mark is None:
                return State.IN_USE if await tables(connection, self.database) else State.EMPTY
            return State.WHOLE if mark == (self._backup, True) else State.UNFINISHED

    async def begin(self) -> None:
        """Mark it as unfinished, and remove what an earlier restore has left."""
        async with connected(self._address) as connection:
            await connection.ask(_CREATE, STATEMENT_S)
            await connection.ask(fill(_NOTE, (self._backup, False)), STATEMENT_S)
            if left := await tables(connection, self.database):
                await connection.ask("SET FOREIGN_KEY_CHECKS = 0", STATEMENT_S)
                await connection.ask(f"DROP TABLE {', '.join(f'`{name}`' for name in left)}", STATEMENT_S)

    async def note_whole(self) -> None:
        """Note that this and all other databases hold everything."""
        async with connected(self._address) as connection:
            await connection.ask(fill(_NOTE, (self._backup, True)), STATEMENT_S)

    async def end(self) -> None:
        """Take the mark away, if there is one: services may start."""
        async with connected(self._address) as connection:
            if await _mark(connection) is not None:
                await connection.ask(_REMOVE, STATEMENT_S)


@asynccontextmanager
async def alone(url: str, backup: str) -> AsyncIterator[Filling]:
    """The database of *url*, to be filled from *backup*, for the block or until this process ends, however that ends.

    Raises:
        SnapshotError: Another restore is at work there, or it cannot be reached.
    """
    address = address_of(url)
    async with connected(address) as connection:
        await connection.ask(_IDLE, STATEMENT_S)
        lock = f"restore {hashlib.sha256(address.database.encode()).hexdigest()[:40]}"  # 64 characters at most
        if (await connection.ask(fill("SELECT GET_LOCK(%s, 0)", (lock,)), STATEMENT_S)).rows != ((1,),):
            raise SnapshotError(f"another restore is filling the database {address.database}")
        yield Filling(address, backup)


async def refuse_unfinished(urls: Iterable[str]) -> None:
    """Do nothing, if each database holds what its services have put there.

    Raises:
        SnapshotError: One does not, or cannot be reached.
    """
    for address in map(address_of, urls):
        async with connected(address) as connection:
            if (backup := await unfinished(connection)) is not None:
                raise SnapshotError(f"the database {address.database} holds an unfinished restore of {backup}")


async def unfinished(connection: Connection) -> str | None:
    """The backup that is not all there, in the database of *connection*; None if it was never restored, or to the end."""
    mark = await _mark(connection)
    return None if mark is None else mark[0]


async def _mark(connection: Connection) -> tuple[str, bool] | None:
    try:
        rows = (await connection.ask(_READ, STATEMENT_S)).rows
    except MySQLError as error:
        if code_of(error) == _NO_SUCH_TABLE:
            return None
        raise
    for backup, whole in rows:
        return str(backup), bool(whole)
    return "", False  # killed before it could say more
