"""Backups that are not what they were, and places that are not empty. The drill in short is in tests/system."""

import gzip
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from firewalker.cli.backup import MANIFEST, TOMBSTONES, backup, restore, restore_here
from firewalker.cli.terminal import CommandError
from firewalker.local.layout import Layout
from firewalker.local.secrets import SERVICES
from tests.support.databases import Servers, fresh_database, run_on

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


async def are_empty(urls: Urls) -> bool:
    return not any([await run_on(url, "SHOW TABLES") for url in urls.values()])


async def test_a_dump_that_was_changed_is_noticed(full: Urls, empty: Urls, tmp_path: Path) -> None:
    place = await backup(tmp_path, full)
    change(place / "step.sql.gz")
    with pytest.raises(CommandError, match="step is not what was backed up"):
        await restore(place, empty)


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
    (tmp_path / "local" / "data" / "mysql").mkdir(parents=True)
    with pytest.raises(CommandError, match="already; name another folder"):
        await restore_here(place, {"FIREWALKER_LOCAL_DIR": str(tmp_path / "local")})
    with pytest.raises(CommandError, match="of all three services"):
        await restore_here(place, {"FIREWALKER_USER_MYSQL_URL": full["user"]})
