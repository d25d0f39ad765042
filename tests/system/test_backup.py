"""The drill of `make drill` in short: a backup of the running backend, and a restore on servers of its own."""

import os
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from firewalker.cli import tombstones
from firewalker.cli.backup import TOMBSTONES, backup, restore_here
from firewalker.local.backend import Backend
from firewalker.local.binaries import MYSQL
from firewalker.local.layout import Layout
from firewalker.local.plan import DATABASES
from firewalker.local.servers import PrivateServers
from firewalker.runtime.redis import connect
from firewalker.step.live.rebuild import rebuild_now
from tests.support.databases import run_on
from tests.system.people import Person, Town
from tests.system.test_account_over_rest import post


def rows(table: str, person: Person, column: str = "user_id") -> str:
    return f"SELECT * FROM {table} WHERE {column} = x'{UUID(person.user_id).hex}'"  # noqa: S608 - of this file


@pytest.mark.requirement("DATA-41")
async def test_what_was_acknowledged_before_a_backup_comes_back_and_who_was_deleted_does_not(
    backend: Backend, town: Town, rest: httpx.AsyncClient, tmp_path: Path
) -> None:
    walker, leaver = await town.person(), await town.person()
    await town.record(walker, 4321)
    urls = {service: backend.setting(service, "MYSQL_URL") for service in DATABASES}
    place = await backup(tmp_path, urls)
    await town.record(walker, 5000)
    await post(rest, "/v1/users/me:delete", leaver, password=leaver.password)
    await tombstones.export(tmp_path / TOMBSTONES, urls)

    layout = Layout.at(tmp_path / "again")
    chosen = {name: value for name, value in os.environ.items() if name == MYSQL.variable}
    await restore_here(place, {"FIREWALKER_LOCAL_DIR": str(layout.root), **chosen}, Layout.of(os.environ).packages)
    with PrivateServers.start(layout.data, packages=Layout.of(os.environ).packages) as servers:
        user, step = (servers.mysql_url(DATABASES[service]) for service in ("user", "step"))
        ((steps,),) = await run_on(step, rows("day_device", walker).replace("*", "h09"))
        assert steps == 4321
        assert await run_on(user, rows("account", walker))
        assert await run_on(user, rows("tombstone", leaver))
        assert not await run_on(user, rows("account", leaver))
        redis = connect(servers.redis_url())
        try:
            assert await redis.dbsize() == 0
            await rebuild_now(step, servers.redis_url())
            assert await redis.dbsize() > 0
        finally:
            await redis.aclose()
