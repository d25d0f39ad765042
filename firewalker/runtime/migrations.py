"""Schema migrations: numbered SQL files, applied once each, forward only, by one runner at a time.

A file is named ``0001_what_it_does.sql``; its statements end with a semicolon at the end of a line, and lines that start
with ``--`` are comments. DDL commits by itself, so progress is noted per statement: a run that was killed goes on behind the
last statement that is known to be done, and takes "exists already" from the one it may have been in as done.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

import structlog
from pymysql.err import MySQLError

from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import Connection, connect
from firewalker.runtime.mysql.errors import code_of
from firewalker.runtime.mysql.literals import fill
from firewalker.runtime.mysql.restoring import unfinished

LOCK_WAIT_S = 60
"""How long a runner waits for another one to finish."""

_STATEMENT_S = 3_600.0
_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql", re.ASCII)
_UNKNOWN_DATABASE = 1049
_NO_SUCH_TABLE = 1146

# Table, column, key or constraint exists already; or is gone already.
_DONE_BEFORE = frozenset({1050, 1060, 1061, 1826, 1091, 1051})

_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_migration (
      name VARCHAR(100) CHARACTER SET ascii NOT NULL PRIMARY KEY,
      checksum BINARY(32) NOT NULL,
      statements_done INT NOT NULL,
      finish_time DATETIME(3) NULL
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""
_APPLIED = "SELECT name, checksum, statements_done, finish_time IS NOT NULL FROM schema_migration"
_BEGIN = "INSERT INTO schema_migration (name, checksum, statements_done) VALUES (%s, %s, 0)"
_PROGRESS = "UPDATE schema_migration SET statements_done = %s WHERE name = %s"
_FINISH = "UPDATE schema_migration SET finish_time = CURRENT_TIMESTAMP(3) WHERE name = %s"

_log = structlog.get_logger(__name__)


class MigrationError(Exception):
    """The schema cannot be brought forward: a file is misnamed, was changed after it was applied, or its SQL is refused; or
    the database holds a restore that did not come to its end.
    """


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    statements: Sequence[str]
    checksum: bytes


@dataclass(frozen=True, slots=True)
class _Applied:
    checksum: bytes
    statements_done: int
    finished: bool


async def migrate(url: str, directory: Path | Traversable) -> list[str]:
    """Apply what *directory* has and the database has not, in order; make the database if it is missing.

    Returns the names of the files applied now. Several callers at once are fine: the others find nothing left to do.

    Raises:
        MigrationError: See there. What was applied before stays; run again once the cause is mended.
        DatabaseUnavailable: Not reached, or another runner took longer than 60 s.
    """
    files = _read(directory)
    address = Address.parse(url)
    await _make_database(address)
    async with _connected(address) as connection, _alone(connection, address.database):
        await _refuse_unfinished(connection, address.database)
        await _ask(connection, _TABLE)
        applied = await _applied(connection)
        done = []
        for file in _outstanding(files, applied):
            await _apply(connection, file, applied.get(file.name))
            _log.info("migration_applied", database=address.database, migration=file.name)
            done.append(file.name)
        return done


async def pending(url: str, directory: Path | Traversable) -> list[str]:
    """The names that `migrate` would apply; all of them where the database is missing. Changes nothing.

    Migrations of a later release that are in the database and not in *directory* are no obstacle.

    Raises:
        MigrationError: A file was changed after it was applied, or a restore did not come to its end.
        DatabaseUnavailable: Not reached.
    """
    files = _read(directory)
    address = Address.parse(url)
    try:
        async with _connected(address) as connection:
            await _refuse_unfinished(connection, address.database)
            applied = await _applied(connection)
    except _DatabaseMissing:
        applied = {}
    return [file.name for file in _outstanding(files, applied)]


def statements_of(text: str) -> list[str]:
    """The statements of a migration's text, without comments and without their semicolons."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    parts = re.split(r";[ \t]*$", "\n".join(lines), flags=re.MULTILINE)
    return [part.strip() for part in parts if part.strip()]


def _read(directory: Path | Traversable) -> list[_File]:
    files: list[_File] = []
    for entry in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if not entry.name.endswith(".sql"):
            continue
        named = _NAME.fullmatch(entry.name)
        if not named or int(named[1]) != len(files) + 1:
            raise MigrationError(f"{entry.name}: expected the name {len(files) + 1:04}_….sql, in lower case")
        text = entry.read_text(encoding="utf-8")
        files.append(_File(entry.name, statements_of(text), hashlib.sha256(text.encode()).digest()))
    return files


def _outstanding(files: Sequence[_File], applied: dict[str, _Applied]) -> Iterator[_File]:
    for file in files:
        before = applied.get(file.name)
        if before is not None and before.checksum != file.checksum:
            raise MigrationError(f"{file.name} was changed after it was applied; put the change into a new file")
        if before is None or not before.finished:
            yield file


async def _apply(connection: Connection, file: _File, before: _Applied | None) -> None:
    if before is None:
        await _ask(connection, fill(_BEGIN, (file.name, file.checksum)))
    first = before.statements_done if before else 0
    for number, statement in enumerate(file.statements[first:], first):
        try:
            await connection.ask(statement, _STATEMENT_S)
        except (MySQLError, TimeoutError) as error:
            interrupted_here = before is not None and number == first
            if not (interrupted_here and code_of(error) in _DONE_BEFORE):
                # Migrations hold no values of users: the server's text may be shown.
                raise MigrationError(f"{file.name}, statement {number + 1}: {error}") from error
        await _ask(connection, fill(_PROGRESS, (number + 1, file.name)))
    await _ask(connection, fill(_FINISH, (file.name,)))


async def _refuse_unfinished(connection: Connection, database: str) -> None:
    try:
        backup = await unfinished(connection)
    except MySQLError as error:
        raise DatabaseUnavailable from error
    if backup is not None:
        raise MigrationError(
            f"the database {database} holds an unfinished restore of the backup {backup}: it was broken off, or is under way; "
            "`firewalker restore`, run again, begins anew"
        )


async def _applied(connection: Connection) -> dict[str, _Applied]:
    try:
        rows = (await connection.ask(_APPLIED, _STATEMENT_S)).rows
    except MySQLError as error:
        if code_of(error) == _NO_SUCH_TABLE:
            return {}
        raise DatabaseUnavailable from error
    return {name: _Applied(checksum, done, bool(finished)) for name, checksum, done, finished in rows}


class _DatabaseMissing(DatabaseUnavailable):
    pass


@asynccontextmanager
async def _connected(address: Address) -> AsyncIterator[Connection]:
    try:
        connection = await connect(address, statement_s=0)  # 0: no limit
    except MySQLError as error:
        missing = code_of(error) == _UNKNOWN_DATABASE
        raise _DatabaseMissing if missing else DatabaseUnavailable from error
    except OSError as error:
        raise DatabaseUnavailable from error
    try:
        yield connection
    finally:
        await connection.close()


async def _make_database(address: Address) -> None:
    try:
        async with _connected(address):
            return
    except _DatabaseMissing:
        pass
    name = address.database.replace("`", "``")
    async with _connected(address.without_database()) as connection:
        await _ask(
            connection, f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
        )


@asynccontextmanager
async def _alone(connection: Connection, database: str) -> AsyncIterator[None]:
    # MySQL allows 64 characters; the lock ends with the connection, however that ends.
    lock = f"migrate {hashlib.sha256(database.encode()).hexdigest()[:40]}"
    result = await connection.ask(fill("SELECT GET_LOCK(%s, %s)", (lock, LOCK_WAIT_S)), LOCK_WAIT_S + 5.0)
    if result.rows != ((1,),):
        raise DatabaseUnavailable
    yield
    await _ask(connection, fill("DO RELEASE_LOCK(%s)", (lock,)))


async def _ask(connection: Connection, statement: str) -> None:
    try:
        await connection.ask(statement, _STATEMENT_S)
    except (MySQLError, TimeoutError) as error:
        raise MigrationError(f"bookkeeping was refused: {error}") from error
