"""What containers are dealt: made once, readable by the image's user, and users of MySQL who have a database each."""

import os
import stat
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import pytest
from pymysql.err import MySQLError

from firewalker.local.containers import deal
from firewalker.local.plan import DATABASES
from firewalker.local.secrets import SERVICES
from firewalker.local.servers import PrivateServers
from firewalker.runtime.migrations import migrate
from tests.support.databases import run_on


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServers]:
    with PrivateServers.start(tmp_path_factory.mktemp("own"), databases=()) as servers:
        yield servers


def test_dealing_again_changes_nothing(tmp_path: Path) -> None:
    deal(tmp_path, os.getuid())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    deal(tmp_path, os.getuid())
    assert {path: path.read_bytes() for path in before} == before


def test_what_a_process_is_dealt_is_private(tmp_path: Path) -> None:
    deal(tmp_path, os.getuid())
    for name in (*SERVICES, "emulator"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / name).iterdir()} == {0o600}


async def test_a_service_gets_into_its_own_database_and_into_no_other(own: PrivateServers, tmp_path: Path) -> None:
    deal(tmp_path, os.getuid())
    for statement in (tmp_path / "mysql" / "users.sql").read_text().splitlines():
        await run_on(own.mysql_url(), statement)
    socket = f"?unix_socket={quote(str(own.mysql.server.socket), safe='')}"
    for service in SERVICES:
        url = (tmp_path / service / "mysql.url").read_text().strip()
        assert await migrate(f"{url}{socket}", files(f"firewalker.{service}") / "store" / "schema")
        for other in set(SERVICES) - {service}:
            with pytest.raises(MySQLError, match="denied"):
                await run_on(f"{url.replace(DATABASES[service], DATABASES[other])}{socket}", "SELECT 1")
