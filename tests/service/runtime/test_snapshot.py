"""Dumps of whole databases, and loading them: of one moment, complete, and never over anything."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

from firewalker.runtime.migrations import migrate, pending
from firewalker.runtime.mysql import snapshot
from tests.support.databases import Servers, fresh_database, run_on

TABLE = """CREATE TABLE t (a BINARY(2) NOT NULL, b INT NOT NULL, c VARCHAR(50), d DATETIME(3), e DATE, f JSON, g TINYINT(1),
    PRIMARY KEY (b, a)) DEFAULT CHARSET=utf8mb4"""


async def test_what_is_loaded_is_what_was_dumped_whatever_is_in_it(servers: Servers, tmp_path: Path) -> None:
    dump = tmp_path / "dump.sql.gz"
    async with fresh_database(servers) as source, fresh_database(servers) as target:
        awkward = [
            r"""(x'0000', 1, 'it''s \\ "q" \n \0 %s 걸음 😀;', '2026-11-26 12:00:00.123', '2026-02-28', '{"a": [1, "x"]}', 1)""",
            "(x'00ff', 1, NULL, NULL, NULL, NULL, NULL)",
        ]
        many = ",".join(f"(x'0100', {number}, 'n', NULL, NULL, NULL, 0)" for number in range(snapshot.PAGE_ROWS * 2))
        await run_on(source, TABLE, f"INSERT INTO t VALUES {','.join(awkward)},{many}")  # noqa: S608 - of this file
        (held,) = await snapshot.dump([source], [dump])
        await snapshot.load(target, dump)
        assert await snapshot.contents(target) == held
        assert held["t"].rows == snapshot.PAGE_ROWS * 2 + 2
        everything = "SELECT HEX(a), b, HEX(c), d, e, f, g FROM t ORDER BY b, a"
        assert await run_on(target, everything) == await run_on(source, everything)


async def test_all_databases_are_of_one_moment(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fresh_database(servers) as one, fresh_database(servers) as other:
        for url in (one, other):
            await run_on(url, "CREATE TABLE t (a INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
        first = snapshot._dump_one

        async def and_then_somebody_writes(*arguments: object) -> snapshot.Contents:
            found = await first(*arguments)  # type: ignore[arg-type]
            for url in (one, other):
                await run_on(url, "INSERT INTO t SELECT MAX(a) + 1 FROM t")
            return found

        monkeypatch.setattr(snapshot, "_dump_one", and_then_somebody_writes)
        held = await snapshot.dump([one, other], [tmp_path / "1", tmp_path / "2"])
        assert [each["t"].rows for each in held] == [1, 1]


async def test_nothing_is_overwritten(servers: Servers, tmp_path: Path) -> None:
    async with fresh_database(servers) as url:
        await run_on(url, "CREATE TABLE t (a INT PRIMARY KEY)")
        await snapshot.dump([url], [tmp_path / "1"])
        with pytest.raises(snapshot.SnapshotError, match="is not empty"):
            await snapshot.load(url, tmp_path / "1")


async def test_a_table_without_a_key_is_refused(servers: Servers, tmp_path: Path) -> None:
    async with fresh_database(servers) as url:
        await run_on(url, "CREATE TABLE t (a INT)")
        with pytest.raises(snapshot.SnapshotError, match="no primary key"):
            await snapshot.dump([url], [tmp_path / "1"])


async def test_a_database_of_which_nothing_may_be_read_is_refused(servers: Servers, tmp_path: Path) -> None:
    async with fresh_database(servers) as granted, fresh_database(servers) as hidden:
        for url in (granted, hidden):
            await run_on(url, "CREATE TABLE t (a INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
        async with reader_of(granted) as as_reader:
            assert (await snapshot.dump([as_reader(granted)], [tmp_path / "1"]))[0]["t"].rows == 1
            with pytest.raises(snapshot.SnapshotError, match="no tables that this user may read"):
                await snapshot.dump([as_reader(granted), as_reader(hidden)], [tmp_path / "1", tmp_path / "2"])


@asynccontextmanager
async def reader_of(url: str) -> AsyncIterator[Callable[[str], str]]:
    """Makes a user who may read the database of *url* alone; puts them into the URLs of databases."""
    name = f"reader_{uuid4().hex[:8]}"
    database = urlsplit(url).path.strip("/")
    await run_on(
        url, f"CREATE USER {name}@'%' IDENTIFIED BY 'mist-and-gates'", f"GRANT SELECT ON {database}.* TO {name}@'%'"
    )

    def as_reader(other: str) -> str:
        parts = urlsplit(other)
        return urlunsplit(parts._replace(netloc=f"{name}:mist-and-gates@{parts.netloc.rpartition('@')[2]}"))

    try:
        yield as_reader
    finally:
        await run_on(url, f"DROP USER {name}@'%'")


@pytest.mark.parametrize("service", ["user", "step", "notification"])
async def test_the_schema_of_a_service_comes_back_as_its_migrations_left_it(
    service: str, servers: Servers, tmp_path: Path
) -> None:
    schema = files(f"firewalker.{service}") / "store" / "schema"
    async with fresh_database(servers) as source, fresh_database(servers) as target:
        await migrate(source, schema)
        await snapshot.dump([source], [tmp_path / "1"])
        await snapshot.load(target, tmp_path / "1")
        assert not await pending(target, schema)
        assert await migrate(target, schema) == []
