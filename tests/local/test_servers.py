"""Private servers: made once, only for us, and recoverable from every way to end them."""

import asyncio
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import aiomysql
import pytest
import redis

from firewalker.local.problems import CannotStartError
from firewalker.local.servers import PrivateServers
from tests.support.waiting import until

SETTINGS = (
    "sql_mode",
    "time_zone",
    "character_set_server",
    "innodb_flush_log_at_trx_commit",
    "innodb_buffer_pool_size",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("with a space")


@pytest.fixture(scope="module")
def started(folder: Path) -> Iterator[PrivateServers]:
    with PrivateServers.start(folder, databases=("walks", "runs"), buffer_pool_mb=16) as servers:
        yield servers


@pytest.fixture
def servers(started: PrivateServers) -> PrivateServers:
    started.mysql.start()
    started.redis.start()
    return started


async def ask(servers: PrivateServers, statement: str) -> tuple[object, ...]:
    url = urlsplit(servers.mysql_url("walks"))
    path = parse_qs(url.query)["unix_socket"][0]
    connection = await aiomysql.connect(unix_socket=path, user=url.username, db=url.path[1:], autocommit=True)
    try:
        cursor = await connection.cursor()
        await cursor.execute(statement)
        rows: list[tuple[object, ...]] = await cursor.fetchall()
        return tuple(rows[0]) if rows else ()
    finally:
        connection.close()


def redis_client(servers: PrivateServers) -> redis.Redis:
    return redis.Redis.from_url(servers.redis_url())


async def test_mysql_is_strict_durable_and_in_utc(servers: PrivateServers) -> None:
    mode, zone, charset, durable, pool = await ask(servers, "SELECT " + ", ".join(f"@@{name}" for name in SETTINGS))
    assert "STRICT_TRANS_TABLES" in str(mode)
    assert (zone, charset, durable, pool) == ("+00:00", "utf8mb4", 1, 16 * 1024 * 1024)


async def test_the_databases_asked_for_are_there(servers: PrivateServers) -> None:
    found = await ask(
        servers, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name IN ('walks', 'runs')"
    )
    assert found == (2,)


async def test_what_mysql_committed_survives_a_kill(servers: PrivateServers) -> None:
    await ask(servers, "CREATE TABLE IF NOT EXISTS kept (steps INT)")
    await ask(servers, "INSERT INTO kept VALUES (4711)")
    servers.mysql.kill()
    servers.mysql.start()
    assert await ask(servers, "SELECT steps FROM kept") == (4711,)


def test_redis_keeps_nothing_and_evicts_nothing(servers: PrivateServers) -> None:
    with redis_client(servers) as client:
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        client.set("total", 4711)
        servers.redis.restart()
        assert client.get("total") is None


def test_both_are_reachable_by_their_owner_through_a_socket_only(servers: PrivateServers) -> None:
    for path in (servers.mysql.server.socket, servers.redis.server.socket):
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_starting_twice_starts_once(servers: PrivateServers) -> None:
    before = servers.mysql.pid
    servers.mysql.start()
    assert servers.mysql.pid == before


def test_a_paused_server_hangs_until_it_is_resumed(servers: PrivateServers) -> None:
    servers.redis.pause()
    assert not servers.redis.server.answers()
    servers.redis.resume()
    assert servers.redis.server.answers()


def test_a_stopped_server_has_no_pid(servers: PrivateServers) -> None:
    servers.redis.stop()
    with pytest.raises(CannotStartError, match="is not running"):
        _ = servers.redis.pid


def test_sockets_of_a_deep_folder_are_put_where_their_paths_fit(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with PrivateServers.start(deep) as servers:
        path = Path(unquote(urlsplit(servers.redis_url()).path))
        assert len(bytes(path)) < 104
        with redis_client(servers) as client:
            assert client.ping()
    assert not path.parent.exists()


def test_data_of_another_flavour_is_refused(servers: PrivateServers) -> None:
    made_by = servers.mysql.server.data / "made-by"
    kept = made_by.read_text()
    servers.mysql.stop()
    made_by.write_text("mysql 99 0\n")
    try:
        with pytest.raises(CannotStartError, match=r"made by mysql 99\.0, but the server found is"):
            servers.mysql.start()
    finally:
        made_by.write_text(kept)


def test_a_server_that_cannot_start_says_why(servers: PrivateServers) -> None:
    servers.mysql.stop()
    script = servers.mysql.server.tables / "ibdata1"
    hidden = script.rename(script.with_name("hidden"))
    script.mkdir()
    try:
        with pytest.raises(CannotStartError, match=r"(?s)ended with status .*the end of .*mysql\.log"):
            servers.mysql.start()
    finally:
        script.rmdir()
        hidden.rename(script)


async def test_an_interrupted_creation_is_started_over(tmp_path: Path) -> None:
    half = tmp_path / "mysql" / "tables.new"
    half.mkdir(parents=True)
    (half / "ibdata1").write_bytes(b"half")
    with PrivateServers.start(tmp_path, databases=("walks",)) as servers:
        assert await ask(servers, "SELECT 1") == (1,)


def test_a_server_left_over_by_a_killed_run_is_ended_first(servers: PrivateServers) -> None:
    server = servers.redis.server
    servers.redis.stop()
    # Not tied to anybody's life, as on systems where the kernel does not help.
    leftover = subprocess.Popen(server.command(), env=server.binary.environment(), stdout=subprocess.DEVNULL)
    asyncio.run(until(server.answers))
    servers.redis.start()
    assert leftover.wait(10) in {0, -signal.SIGTERM}
    assert server.answers()


def test_a_stranger_with_the_pid_of_an_ended_server_is_left_alone(servers: PrivateServers) -> None:
    servers.redis.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        servers.redis.server.pid_file.write_text(f"{stranger.pid}\n")
        servers.redis.start()
        assert stranger.poll() is None


def test_a_stale_socket_does_not_look_like_a_server(servers: PrivateServers) -> None:
    servers.redis.kill()
    assert servers.redis.server.socket.exists()
    assert not servers.redis.server.answers()
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(str(servers.redis.server.socket))
