import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.runtime.migrations import MigrationError, migrate, pending, statements_of
from tests.support.databases import Servers, run_on

FIRST = """
-- Two tables; a comment with a semicolon;
CREATE TABLE one (id INT PRIMARY KEY, text VARCHAR(9) DEFAULT 'a;b');
CREATE TABLE two (id INT PRIMARY KEY);
"""


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name.removeprefix('m')}.sql").write_text(text)
    return folder


async def tables(url: str) -> set[object]:
    return {name for (name,) in await run_on(url, "SHOW TABLES")} - {"schema_migration"}


@pytest.mark.requirement("DATA-40")
async def test_each_migration_is_applied_once_in_order(mysql_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", m0001_first=FIRST)
    assert await pending(mysql_url, folder) == ["0001_first.sql"]
    assert await migrate(mysql_url, folder) == ["0001_first.sql"]
    write(folder, m0002_more="ALTER TABLE two ADD COLUMN size INT NOT NULL DEFAULT 0;")
    assert await pending(mysql_url, folder) == ["0002_more.sql"]
    assert await migrate(mysql_url, folder) == ["0002_more.sql"]
    assert await migrate(mysql_url, folder) == []
    assert await tables(mysql_url) == {"one", "two"}


async def test_a_missing_database_is_made(servers: Servers, tmp_path: Path) -> None:
    name = f"test_{uuid4().hex[:8]}"
    url, folder = servers.mysql_url(name), write(tmp_path / "m", m0001_first=FIRST)
    try:
        assert await pending(url, folder) == ["0001_first.sql"]
        assert await migrate(url, folder) == ["0001_first.sql"]
    finally:
        await run_on(servers.mysql_url(), f"DROP DATABASE IF EXISTS {name}")


async def test_of_several_runners_one_does_the_work(mysql_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", m0001_first=FIRST)
    done = await asyncio.gather(*(migrate(mysql_url, folder) for _ in range(4)))
    assert sorted(done) == [[], [], [], ["0001_first.sql"]]


async def test_a_changed_migration_is_refused(mysql_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", m0001_first=FIRST)
    await migrate(mysql_url, folder)
    write(folder, m0001_first=FIRST + "-- better\n")
    with pytest.raises(MigrationError, match="changed after"):
        await migrate(mysql_url, folder)
    with pytest.raises(MigrationError, match="changed after"):
        await pending(mysql_url, folder)


@pytest.mark.requirement("DATA-40")
async def test_a_run_killed_between_statements_goes_on_where_it_was(mysql_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", m0001_first=FIRST)
    await migrate(mysql_url, folder)
    # As if killed after the first table was made, before that was noted.
    await run_on(mysql_url, "DROP TABLE two", "UPDATE schema_migration SET statements_done = 0, finish_time = NULL")
    assert await migrate(mysql_url, folder) == ["0001_first.sql"]
    assert await tables(mysql_url) == {"one", "two"}


async def test_a_refused_statement_names_file_and_place_and_can_be_mended(mysql_url: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", m0001_first=FIRST, m0002_bad="CREATE TABLE ok (id INT);\nCREATE NONSENSE;\n")
    with pytest.raises(MigrationError, match=r"0002_bad\.sql, statement 2"):
        await migrate(mysql_url, folder)
    assert await tables(mysql_url) == {"one", "two", "ok"}
    assert await pending(mysql_url, folder) == ["0002_bad.sql"]


async def test_a_later_release_in_the_database_is_no_obstacle(mysql_url: str, tmp_path: Path) -> None:
    newer = write(tmp_path / "n", m0001_first=FIRST, m0002_more="CREATE TABLE three (id INT);")
    await migrate(mysql_url, newer)
    assert await pending(mysql_url, write(tmp_path / "m", m0001_first=FIRST)) == []


@pytest.mark.parametrize("name", ["m0002_gap", "mfirst", "m0001_Upper"])
async def test_misnamed_files_are_refused(mysql_url: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(MigrationError, match="expected the name 0001"):
        await pending(mysql_url, write(tmp_path / "m", **{name: FIRST}))


async def test_an_unreachable_server_is_unavailable(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", m0001_first=FIRST)
    with pytest.raises(DatabaseUnavailable):
        await migrate(f"mysql://root@localhost/x?unix_socket={tmp_path}/none", folder)


def test_statements_are_told_apart_by_semicolons_at_line_ends() -> None:
    assert statements_of(FIRST) == [
        "CREATE TABLE one (id INT PRIMARY KEY, text VARCHAR(9) DEFAULT 'a;b')",
        "CREATE TABLE two (id INT PRIMARY KEY)",
    ]
