"""A primary and a replica that follows it, of MariaDB or MySQL, on private servers; late if wanted, and promoted in the end.

Both numbers their transactions. The primary is found at `Pair.url`, which leads elsewhere after `Pair.promote`, as a name or
an address that is moved does.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import pymysql
from pymysql.cursors import DictCursor

from firewalker.local.files import make_private_folder, remove_socket_folder, socket_folder
from firewalker.local.mysql_server import MySQLServer
from firewalker.local.servers import RunningServer
from tests.support.databases import run_on
from tests.support.waiting import until_true

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from firewalker.local.binaries import Binary

PASSWORD = "only for this test"

ACKNOWLEDGED_WITHIN_S = 20
"""How long a COMMIT on the primary waits for the replica to have it written down."""


@dataclass(frozen=True, slots=True)
class Node(MySQLServer):
    """A server with a port for the other one, a binary log, and numbered transactions.

    A replica on MySQL goes without that log, as on RDS, where there is none without backups.
    """

    number: int = 0
    port: int = 0

    def command(self) -> list[str]:
        """See `MySQLServer.command`."""
        plain = [word for word in MySQLServer.command(self) if word not in ("--skip-networking", "--skip-log-bin")]
        of_flavour = {
            "mariadb": ["--gtid-strict-mode=1", "--log-slave-updates"],
            "mysql": [
                "--gtid-mode=ON",
                "--enforce-gtid-consistency=ON",
                f"--plugin-dir={self._base()}/lib/mysql/plugin",
            ],
        }
        return [
            *plain,
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--server-id={self.number}",
            "--skip-log-bin" if (self.number, self.binary.flavour) == (2, "mysql") else "--log-bin=binlog",
            "--relay-log=relay",
            "--binlog-format=ROW",
            *of_flavour[self.binary.flavour],
        ]


@dataclass(frozen=True, slots=True)
class Words:
    """How one flavour says it. Several statements where it takes several."""

    acknowledge: Sequence[str]
    """On the primary: answer a COMMIT only once the replica has it."""
    acknowledging: Sequence[str]
    """On the replica, before it follows."""
    follow: str
    start: str
    stop: str
    delay: str
    status: str
    received: str
    """The column of it that tells which positions it has received, whether or not it has done what they say."""
    done: str
    """Whether it has done all of that: 0 if so."""
    promote: Sequence[str]


WORDS: Mapping[str, Words] = {
    "mariadb": Words(
        acknowledge=[
            "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC",
            f"SET GLOBAL rpl_semi_sync_master_timeout = {ACKNOWLEDGED_WITHIN_S * 1000}",
            "SET GLOBAL rpl_semi_sync_master_enabled = ON",
        ],
        acknowledging=["SET GLOBAL rpl_semi_sync_slave_enabled = ON"],
        follow="CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'follower', "
        "MASTER_PASSWORD = '{password}', MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos",
        start="START SLAVE",
        stop="STOP SLAVE",
        delay="CHANGE MASTER TO MASTER_DELAY = {delay_s}",
        status="SHOW SLAVE STATUS",
        received="Gtid_IO_Pos",
        done="SELECT MASTER_GTID_WAIT('{position}', 20)",
        promote=["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = OFF"],
    ),
    "mysql": Words(
        acknowledge=[
            "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
            f"SET GLOBAL rpl_semi_sync_source_timeout = {ACKNOWLEDGED_WITHIN_S * 1000}",
            "SET GLOBAL rpl_semi_sync_source_enabled = ON",
        ],
        acknowledging=[
            "INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'",
            "SET GLOBAL rpl_semi_sync_replica_enabled = ON",
        ],
        follow="CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port}, SOURCE_USER = 'follower', "
        "SOURCE_PASSWORD = '{password}', SOURCE_CONNECT_RETRY = 1, SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1",
        start="START REPLICA",
        stop="STOP REPLICA",
        delay="CHANGE REPLICATION SOURCE TO SOURCE_DELAY = {delay_s}",
        status="SHOW REPLICA STATUS",
        received="Retrieved_Gtid_Set",
        done="SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', 20)",
        promote=["STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF"],
    ),
}


class Pair:
    """Two servers, of which the second follows the first."""

    def __init__(self, binary: Binary, folder: Path) -> None:
        self._folder = make_private_folder(folder)
        self._sockets = socket_folder(self._folder / "run")
        self.address = self._sockets / "primary.sock"
        """The socket that leads to the primary."""
        self.primary, self.replica = (self._node(binary, number) for number in (1, 2))
        self._words = WORDS[binary.flavour]

    def start(self) -> None:
        """Start both. From a thread that stays: they end with it."""
        for node in (self.primary, self.replica):
            node.start()
        self._lead_to(self.primary)

    async def follow(self, databases: Sequence[str]) -> None:
        """Have the replica follow, and the primary wait for it; then make *databases*."""
        primary, replica = self.primary.server, self.replica.server
        await run_on(
            primary.url(),
            f"CREATE USER 'follower'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            "GRANT REPLICATION SLAVE ON *.* TO 'follower'@'127.0.0.1'",
            f"CREATE USER 'firewalker'@'localhost' IDENTIFIED BY '{PASSWORD}'",
            "GRANT ALL ON `firewalker\\_%`.* TO 'firewalker'@'localhost'",
            *(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci" for name in databases),
        )
        await run_on(
            replica.url(),
            *self._words.acknowledging,
            self._words.follow.format(port=primary.port, password=PASSWORD),
            self._words.start,
            "SET GLOBAL read_only = ON",
        )
        await run_on(primary.url(), *self._words.acknowledge)
        await until_true(self.caught_up)

    async def caught_up(self) -> bool:
        """Whether the replica has made every user and database that the primary has."""
        return set(await self._names(self.primary)) <= set(await self._names(self.replica))

    async def delay(self, seconds: int) -> None:
        """Have the replica do everything so many seconds later than the primary."""
        await run_on(
            self.replica.server.url(), self._words.stop, self._words.delay.format(delay_s=seconds), self._words.start
        )

    async def promote(self) -> None:
        """Make the replica, once it has done all that it has received, the server that `url` leads to."""
        url = self.replica.server.url()
        position = self._received()
        ((left,),) = await run_on(url, self._words.done.format(position=position))
        assert left == 0, f"the replica has not done all of {position}"
        await run_on(url, *self._words.promote)
        self._lead_to(self.replica)

    def root_url(self, database: str) -> str:
        """The address of the primary, whichever it is, for who may do everything."""
        return f"mysql://root@localhost/{database}?unix_socket={quote(str(self.address), safe='')}"

    def url(self, database: str) -> str:
        """The address of the primary, as services take it, whichever it is."""
        return self._url(database, self.address)

    def replica_url(self, database: str) -> str:
        """The address of the second server."""
        return self._url(database, self.replica.server.socket)

    async def log_statements(self, *nodes: RunningServer[Node]) -> None:
        """Have both, or these *nodes*, write down in a table what they are asked from now on."""
        for node in nodes or (self.primary, self.replica):
            await run_on(node.server.url(), "SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = ON")

    async def asked(self, node: RunningServer[Node], pattern: str) -> int:
        """How many statements like *pattern* the server was asked since `log_statements`."""
        ((count,),) = await run_on(
            node.server.url(),
            "SELECT COUNT(*) FROM mysql.general_log WHERE command_type = 'Query' "  # noqa: S608 - a pattern of ours
            f"AND argument LIKE '{pattern}' AND argument NOT LIKE '%general\\_log%'",
        )
        return int(str(count))

    def stop(self) -> None:
        """End both."""
        for node in (self.replica, self.primary):
            node.stop()
        self.address.unlink(missing_ok=True)
        for node in (self.replica, self.primary):
            remove_socket_folder(node.server.sockets)
        remove_socket_folder(self._sockets)

    def _node(self, binary: Binary, number: int) -> RunningServer[Node]:
        sockets = socket_folder(self._folder / f"run-{number}")
        node = Node(binary, self._folder / str(number), sockets, buffer_pool_mb=64, number=number, port=_free_port())
        return RunningServer(node, self._folder / f"{number}.log")

    def _lead_to(self, node: RunningServer[Node]) -> None:
        link = self.address.with_name("next.sock")
        link.symlink_to(node.server.socket)
        link.rename(self.address)

    def _url(self, database: str, path: Path) -> str:
        return f"mysql://firewalker:{quote(PASSWORD)}@localhost/{database}?unix_socket={quote(str(path), safe='')}"

    async def _names(self, node: RunningServer[Node]) -> list[tuple[object, ...]]:
        return await run_on(
            node.server.url(), "SELECT user FROM mysql.user UNION SELECT schema_name FROM information_schema.schemata"
        )

    def _received(self) -> str:
        """How far the replica knows what the primary did."""
        with (
            pymysql.connect(unix_socket=str(self.replica.server.socket), user="root") as connection,
            connection.cursor(DictCursor) as cursor,
        ):
            cursor.execute(self._words.status)
            (row,) = cursor.fetchall()
        return str(row[self._words.received]).replace("\n", "")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
