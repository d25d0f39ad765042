"""A private MySQL and a private Redis for tests and tools: started at once, addressable, killable one by one.

    with PrivateServers.start(folder, databases=("firewalker_user",)) as servers:
        connect(servers.mysql_url("firewalker_user"))
        servers.redis.kill()      # as kill -9 does; data in MySQL survives, Redis comes back empty
        servers.redis.start()

Synchronous, because test sessions start their servers outside any event loop. `up` runs the same servers under the
supervisor instead. Start it from the main thread: on Linux the servers end with the thread that started them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from firewalker.local.binaries import MYSQL, REDIS, Binary, find
from firewalker.local.children import signal_group, tethered
from firewalker.local.files import make_private_folder, remove_socket_folder, socket_folder
from firewalker.local.layout import Layout
from firewalker.local.mysql_server import MySQLServer
from firewalker.local.problems import CannotStartError
from firewalker.local.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

START_LIMIT_S = 60
STOP_LIMIT_S = 30
POLL_S = 0.02


def quiet(_text: str) -> None:
    """Say nothing: the progress report of those who want none."""


class Server(Protocol):
    """What this module needs of `MySQLServer` and `RedisServer`."""

    @property
    def binary(self) -> Binary:
        """The program."""

    def prepare(self) -> None:
        """Make it ready to be started."""

    def command(self) -> list[str]:
        """How to run it in the foreground."""

    def answers(self) -> bool:
        """Whether it serves now."""


S = TypeVar("S", bound="Server")


class RunningServer(Generic[S]):
    """One server process of ours, which can be ended in every way that a fault test needs."""

    def __init__(self, server: S, log: Path) -> None:
        self.server = server
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            CannotStartError: It is not running.
        """
        if self._process is None:
            message = f"{self.server.binary} is not running."
            raise CannotStartError(message)
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it answers. Does nothing if it runs.

        Raises:
            CannotStartError: It ended, or did not answer within 60 s; the text holds the end of its log.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.server.prepare()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                tethered(self.server.command()),
                env=self.server.binary.environment(),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_LIMIT_S
        while not self.server.answers():
            if (status := self._process.poll()) is not None or time.monotonic() > deadline:
                self.kill()
                what = "did not answer in time" if status is None else f"ended with status {status}"
                message = f"{self.server.binary} {what}; the end of {self.log}:\n{self.log_tail()}"
                raise CannotStartError(message)
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End it in order, or by force after 30 s. Does nothing if it has ended."""
        if self._process is None:
            return
        if self._process.poll() is None:
            signal_group(self._process.pid, signal.SIGTERM)
            signal_group(self._process.pid, signal.SIGCONT)
            try:
                self._process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """End it now, as kill -9 does; returns when it is gone."""
        if self._process is not None:
            if self._process.poll() is None:
                signal_group(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop and start it, on the same data and the same socket."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it hang: connections stay open and nothing is answered, from when this returns until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)  # each of its threads stops when it next may

    def resume(self) -> None:
        """End a `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def log_tail(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:]) if self.log.exists() else ""


class PrivateServers:
    """A private MySQL and a private Redis with everything they write below one folder."""

    def __init__(self, mysql: RunningServer[MySQLServer], redis: RunningServer[RedisServer]) -> None:
        self.mysql = mysql
        self.redis = redis

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        databases: tuple[str, ...] = (),
        buffer_pool_mb: int = 64,
        packages: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        say: Callable[[str], None] = quiet,
    ) -> Self:
        """Start both in *folder*, whose data is kept if there is any; some 2 s on a new folder, 0.3 s on a used one.

        *databases* are made if missing. *packages* is where server packages are unpacked if nothing is installed; the
        project's local root by default, so that this happens once.

        Raises:
            CannotStartError: A server cannot be found, made or started.
        """
        unpacked = packages or Layout.of(environment).packages
        folder = make_private_folder(folder)
        sockets = socket_folder(folder / "run")
        mysql = find(MYSQL, unpacked, environment, say)
        redis = find(REDIS, unpacked, environment, say)
        servers = cls(
            RunningServer(
                MySQLServer(mysql, folder / "mysql", sockets, databases, buffer_pool_mb), folder / "mysql.log"
            ),
            RunningServer(RedisServer(redis, folder / "redis", sockets), folder / "redis.log"),
        )
        try:
            servers.mysql.start()
            servers.redis.start()
        except BaseException:
            servers.stop()
            raise
        return servers

    def mysql_url(self, database: str = "") -> str:
        """The address of *database*, which need not exist, as services take it; of the server if empty."""
        return self.mysql.server.url(database)

    def redis_url(self, database: int = 0) -> str:
        """The address of Redis database *database* as services take it."""
        return self.redis.server.url(database)

    def stop(self) -> None:
        """Stop both. The data stays."""
        self.redis.stop()
        self.mysql.stop()

    def __enter__(self) -> Self:
        """Nothing more to do: `start` started them."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both, and remove their sockets' folder if it is under the temporary directory."""
        self.stop()
        remove_socket_folder(self.mysql.server.sockets)
