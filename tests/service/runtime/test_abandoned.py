"""Abandoned statements are stopped, and nobody else's: numbers of connections begin anew with every server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from firewalker.runtime.mysql import abandoned
from firewalker.runtime.mysql.abandoned import Stopper
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.connection import Connection, connect
from tests.support.databases import run_on
from tests.support.proxy import fault_proxy
from tests.support.waiting import until, until_true


@asynccontextmanager
async def busy(address: Address) -> AsyncIterator[tuple[Connection, "asyncio.Task[object]"]]:
    """A connection and the statement that it is asked, which takes a minute."""
    connection = await connect(address, statement_s=60)
    asking = asyncio.create_task(connection.ask("SELECT SLEEP(60)", 60))
    try:
        yield connection, asking
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


@asynccontextmanager
async def stopper_of(address: Address) -> AsyncIterator[Stopper]:
    stopper = Stopper(lambda: connect(address, statement_s=5), "test")
    try:
        yield stopper
    finally:
        await stopper.close()


@pytest.mark.requirement("NET-23")
async def test_numbers_of_another_server_or_of_one_before_its_restart_are_nobody_s_here(mysql_url: str) -> None:
    address = Address.parse(mysql_url)

    async def is_old_enough() -> bool:
        """Whether it shows that this server ran before the connections are opened: it tells whole seconds."""
        [(_, uptime_s)] = await run_on(mysql_url, "SHOW GLOBAL STATUS LIKE 'Uptime'")
        return int(str(uptime_s)) > 2

    await until_true(is_old_enough)
    async with stopper_of(address) as stopper, busy(address) as (stranger, spared), busy(address) as (ours, stopped):
        peer, began = stranger.peer, stranger.began
        stranger.peer = ("192.0.2.1", 3306)
        stopper.stop(stranger)
        await until(stopper._abandoned.empty)
        stranger.peer, stranger.began = peer, began - 1e6  # opened before the server began
        stopper.stop(stranger)
        stopper.stop(ours)
        await until(stopped.done)
        assert not spared.done()
        stranger.began = began
        stopper.stop(stranger)
        await until(spared.done)


async def test_what_was_not_stopped_in_its_time_is_forgotten(
    mysql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abandoned, "_KILL_S", 0.05)
    address = Address.parse(mysql_url)
    async with fault_proxy(address.unix_socket or (address.host, address.port), tmp_path / "s") as proxy:
        proxied = Address.parse(f"{mysql_url.partition('?')[0]}?unix_socket={quote(str(proxy.listen), safe='')}")

        async def then_hang() -> Connection:
            connection = await connect(proxied, statement_s=5)
            proxy.set(black_hole=True)
            return connection

        stopper = Stopper(then_hang, "test")
        async with busy(proxied) as (connection, asking):
            for _ in range(10):
                stopper.stop(connection)
            await until(lambda: stopper._task is not None and stopper._task.done())
            assert stopper._abandoned.empty()
            assert not asking.done()
