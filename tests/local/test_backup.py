"""Backups that are not what they were, and places that are not empty. The drill in short is in tests/system."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from firewalker.cli.backup import MANIFEST, backup, restore, restore_here
from firewalker.cli.terminal import CommandError
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


async def test_a_dump_that_was_changed_is_noticed(full: Urls, empty: Urls, tmp_path: Path) -> None:
    place = await backup(tmp_path, full)
    dump = place / "step.sql.gz"
    text = gzip.decompress(dump.read_bytes()).decode()
    dump.write_bytes(gzip.compress(text.replace("(2)", "(3)").encode()))
    with pytest.raises(CommandError, match="step is not what was backed up"):
        await restore(place, empty)


async def test_a_backup_that_was_not_finished_is_none(full: Urls, empty: Urls, tmp_path: Path) -> None:
    place = await backup(tmp_path, full)
    (place / MANIFEST).unlink()
    with pytest.raises(CommandError, match="no complete backup"):
        await restore(place, empty)


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
