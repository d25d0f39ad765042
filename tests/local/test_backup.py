"""Backups that are not what they were, places that are not empty, restores that are killed. The drill in short is in tests/system."""

import asyncio
import gzip
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from importlib.resources import files
from pathlib import Path

import pytest
from pymysql.err import MySQLError

from firewalker.cli.backup import MANIFEST, TOMBSTONES, backup, restore, restore_here
from firewalker.cli.terminal import CommandError
from firewalker.local.binaries import Binary
from firewalker.local.files import socket_folder
from firewalker.local.layout import Layout
from firewalker.local.mysql_server import MySQLServer
from firewalker.local.plan import DATABASES
from firewalker.local.secrets import SERVICES
from firewalker.runtime.migrations import MigrationError, migrate, pending
from firewalker.runtime.mysql import restoring
from firewalker.runtime.mysql.restoring import Filling
from tests.support.databases import Servers, fresh_database, run_on
from tests.support.waiting import until_true

TOMBSTONE_TABLE = "CREATE TABLE tombstone (user_id BINARY(16) PRIMARY KEY, delete_time DATETIME(3) NOT NULL)"

Urls = dict[str, str]


@pytest.fixture
async def full(servers: Servers) -> AsyncIterator[Urls]:
    async with AsyncExitStack() as stack:
        urls = {service: await stack.enter_async_context(fresh_database(servers)) for service in SERVICES}
        for url in urls.values():
            await run_on(url, TOMBSTONE_TABLE, "CREATE TABLE t (a INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
        yield urls


@pytest.fixture
async def empty(servers: Servers) -> AsyncIterator[Urls]:
    async with AsyncExitStack() as stack:
        yield {service: await stack.enter_async_context(fresh_database(servers)) for service in SERVICES}


def change(dump: Path) -> None:
    text = gzip.decompress(dump.read_bytes()).decode()
    dump.write_bytes(gzip.compress(text.replace("(2)", "(3)").encode()))


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def let_hang(dump: Path) -> bytes:
    """Have a restore stop in the middle of *dump*, with its table there and empty; what it was before."""
    before = dump.read_bytes()
    text = gzip.decompress(before).decode()
    dump.write_bytes(gzip.compress(text.replace("INSERT INTO `t`", "SELECT SLEEP(600);\nINSERT INTO `t`").encode()))
    return before


RESTORES = """
import asyncio, json, sys
from pathlib import Path
from firewalker.cli.backup import restore_here
place, environment, packages = sys.argv[1:]
asyncio.run(restore_here(Path(place), json.loads(environment), Path(packages)))
"""


async def kill_a_restore(place: Path, environment: dict[str, str], hangs: Callable[[], Awaitable[bool]]) -> None:
    """Restore in a process of its own, and kill that once it *hangs*."""
    words = [str(place), json.dumps(environment), str(Layout.of(os.environ).packages)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RESTORES, *words)
    try:
        await until_true(hangs, within_s=60)
    finally:
        process.kill()
        await process.wait()


async def refuses_to_start(url: str) -> bool:
    """Whether neither the service whose database this is starts nor its migration."""
    directory = files("firewalker.user") / "store" / "schema"
    for command in (migrate, pending):
        with pytest.raises(MigrationError, match=r"unfinished restore of the backup .*run again, begins anew"):
            await command(url, directory)
    return True


async def are_empty(urls: Urls) -> bool:
    return not any([await run_on(url, "SHOW TABLES") for url in urls.values()])


async def test_a_dump_that_was_changed_is_noticed(full: Urls, empty: Urls, tmp_path: Path) -> None:
    place = await backup(tmp_path, full)
    change(place / "step.sql.gz")
    with pytest.raises(CommandError, match="step is not what was backed up"):
        await restore(place, empty)
    assert all([await refuses_to_start(url) for url in empty.values()])


@pytest.mark.parametrize("wrong", ["mysql://u:se/cret@h/db", "postgres://u:secret@h/db", "mysql://u:secret@h/db?x=1"])
async def test_an_address_that_is_none_is_said_in_a_sentence(
    full: Urls, empty: Urls, tmp_path: Path, wrong: str
) -> None:
    with pytest.raises(CommandError, match=r"No backup was made: .*MySQL URL") as refused:
        await backup(tmp_path / "none", full | {"step": wrong})
    assert "cret" not in str(refused.value)
    place = await backup(tmp_path, full)
    with pytest.raises(CommandError, match=r"Not restored: .*MySQL URL"):
        await restore(place, empty | {"step": wrong})
    assert await are_empty(empty)


async def test_a_backup_that_was_not_finished_is_none(full: Urls, empty: Urls, tmp_path: Path) -> None:
    place = await backup(tmp_path, full)
    (place / MANIFEST).unlink()
    with pytest.raises(CommandError, match="no complete backup"):
        await restore(place, empty)


async def test_a_dump_that_breaks_off_is_noticed(full: Urls, empty: Urls, tmp_path: Path) -> None:
    place = await backup(tmp_path, full)
    dump = place / "step.sql.gz"
    dump.write_bytes(dump.read_bytes()[:-12])
    with pytest.raises(CommandError, match="is broken"):
        await restore(place, empty)


@pytest.mark.parametrize("manifest", ['{"databases": {"user": {}}}', '{"databases": []}', "{}", "[]", "1"])
async def test_a_manifest_that_says_too_little_is_none(full: Urls, empty: Urls, tmp_path: Path, manifest: str) -> None:
    place = await backup(tmp_path, full)
    (place / MANIFEST).write_text(manifest)
    with pytest.raises(CommandError, match="no complete backup"):
        await restore(place, empty)
    assert await are_empty(empty)


@pytest.mark.parametrize("lost", ["a dump", "who was deleted"])
async def test_nothing_is_restored_before_all_is_there(full: Urls, empty: Urls, tmp_path: Path, lost: str) -> None:
    place = await backup(tmp_path, full)
    (place / "notification.sql.gz" if lost == "a dump" else tmp_path / TOMBSTONES).unlink()
    with pytest.raises(CommandError, match="no complete backup" if lost == "a dump" else "no tombstones"):
        await restore(place, empty)
    assert await are_empty(empty)
    with pytest.raises(CommandError):
        await restore_here(place, {"FIREWALKER_LOCAL_DIR": str(tmp_path / "local")})
    assert not (tmp_path / "local").exists()


async def test_a_backup_that_fails_leaves_nothing(full: Urls, tmp_path: Path) -> None:
    await run_on(full["step"], "CREATE TABLE keyless (a INT)")
    with pytest.raises(CommandError, match="no primary key"):
        await backup(tmp_path, full)
    assert not names_in(tmp_path)


async def test_a_restore_that_fails_leaves_no_backend(full: Urls, tmp_path: Path) -> None:
    place = await backup(tmp_path, full)
    change(place / "step.sql.gz")
    layout = Layout.at(tmp_path / "local")
    layout.data.mkdir()
    (layout.data / "note").write_text("of somebody")
    with pytest.raises(CommandError, match="step is not what was backed up"):
        await restore_here(place, {"FIREWALKER_LOCAL_DIR": str(layout.root)}, Layout.of(os.environ).packages)
    assert names_in(layout.data) == ["note"]


async def test_a_restore_overwrites_nothing(full: Urls, tmp_path: Path) -> None:
    place = await backup(tmp_path, full)
    assert json.loads((place / MANIFEST).read_text())["databases"]["user"]["t"]["rows"] == 2
    with pytest.raises(CommandError, match="is not empty"):
        await restore(place, full)
    with pytest.raises(CommandError, match="of all three services"):
        await restore_here(place, {"FIREWALKER_USER_MYSQL_URL": full["user"]})


@pytest.mark.requirement("DATA-41")
async def test_what_a_killed_restore_leaves_is_no_backend_and_the_next_restore_makes_one(
    full: Urls, empty: Urls, tmp_path: Path
) -> None:
    place = await backup(tmp_path, full)
    dump = let_hang(place / "step.sql.gz")
    named = {f"FIREWALKER_{service.upper()}_MYSQL_URL": url for service, url in empty.items()}

    async def hangs() -> bool:
        return bool(await run_on(empty["step"], "SHOW TABLES LIKE 't'"))

    await kill_a_restore(place, named, hangs)
    assert await run_on(empty["user"], "SELECT a FROM t") == [(1,), (2,)]
    assert all([await refuses_to_start(url) for url in empty.values()])
    with pytest.raises(CommandError, match="holds an unfinished restore"):
        await backup(tmp_path, empty)
    (place / "step.sql.gz").write_bytes(dump)
    await restore(place, empty)
    for url in empty.values():
        assert await run_on(url, "SHOW TABLES") == [("t",), ("tombstone",)]
        assert await run_on(url, "SELECT a FROM t") == [(1,), (2,)]


async def test_a_private_backend_is_made_again_where_a_restore_was_killed(full: Urls, tmp_path: Path) -> None:
    place = await backup(tmp_path, full)
    dump = let_hang(place / "step.sql.gz")
    layout, packages = Layout.at(tmp_path / "local"), Layout.of(os.environ).packages
    here = {"FIREWALKER_LOCAL_DIR": str(layout.root)}
    server = MySQLServer(
        Binary(Path("any"), "any", (0, 0, 0)), layout.data / "mysql", socket_folder(layout.data / "run")
    )

    async def hangs() -> bool:
        with suppress(MySQLError, OSError, TimeoutError):  # it has hardly started
            return server.answers() and bool(await run_on(server.url(DATABASES["step"]), "SHOW TABLES LIKE 't'"))
        return False

    await kill_a_restore(place, here, hangs)
    (place / "step.sql.gz").write_bytes(dump)
    await restore_here(place, here, packages)
    with pytest.raises(CommandError, match="already; name another folder"):
        await restore_here(place, here, packages)


async def test_a_restore_that_was_killed_among_its_last_words_is_only_ended(
    full: Urls, empty: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await backup(tmp_path, full)
    ended = Filling.end

    async def end(filling: Filling) -> None:
        """Of the first database alone."""
        await ended(filling)
        raise RuntimeError

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(Filling, "end", end)
        await restore(place, empty)
    await run_on(empty["user"], "INSERT INTO t VALUES (3)")  # by its service, which may start already
    assert all([await refuses_to_start(empty[service]) for service in ("step", "notification")])
    other = place.with_name("another")
    place.rename(other)
    with pytest.raises(CommandError, match="is not empty"):
        await restore(other, empty)
    other.rename(place)
    await restore(place, empty)
    assert await run_on(empty["user"], "SELECT a FROM t") == [(1,), (2,), (3,)]
    assert await run_on(empty["step"], "SHOW TABLES") == [("t",), ("tombstone",)]


async def test_of_two_restores_at_once_one_is_refused(full: Urls, empty: Urls, tmp_path: Path) -> None:
    place = await backup(tmp_path, full)
    async with restoring.alone(empty["step"], "another"):
        with pytest.raises(CommandError, match="another restore is filling"):
            await restore(place, empty)
    assert await are_empty(empty)
    await restore(place, empty)
