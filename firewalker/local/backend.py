"""A whole backend under one supervisor: what `up` runs in the foreground and what system tests start, kill and restart.

    async with Backend.start(folder) as backend:
        call(backend.address("user"))
        await backend.kill("step")               # kill -9; the supervisor restarts it
        await backend.wait_ready("step")
        await backend.halt("redis")              # in order, stays down
        backend.revive("redis")
        backend.lines("step")

The programs are `mysql` and `redis` (when private), `emulator` (of FCM, unless a real one is configured), `user`, `step`,
`notification`, `transcoder`, and the one-off
`user-migrate`, `step-migrate`, `notification-migrate`. Everything that the supervisor can do to one of them, `Backend` can.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from firewalker.local import ports
from firewalker.local.binaries import MYSQL, REDIS, Binary, find
from firewalker.local.checks import check_configuration
from firewalker.local.files import locked, remove_socket_folder
from firewalker.local.layout import Layout
from firewalker.local.mysql_server import MySQLServer
from firewalker.local.plan import Plan, needs_private_redis, private_databases
from firewalker.local.redis_server import RedisServer
from firewalker.local.secrets import make_fcm_secrets, make_secrets
from firewalker.local.servers import quiet
from firewalker.local.supervisor import Supervisor
from firewalker.local.variables import require_known

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from firewalker.local.unit import Say

BUSY = (
    "Another run (process {pid}) is using {root}. Stop that one first, or set FIREWALKER_LOCAL_DIR to another folder and "
    "the FIREWALKER_*_PORT variables to other ports."
)


_NOT_FOUND_YET = Binary(Path("unknown"), "unknown", (0, 0, 0))
"""Stands for a server's program while the settings are checked: a typing error should not cost a download first."""


class Backend(Supervisor):
    """The running programs of one backend, and where each can be reached."""

    def __init__(self, plan: Plan, say: Say) -> None:
        super().__init__(plan.programs(), say)
        self.plan = plan

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] = os.environ,
        within_s: float = 60,
        say: Say = lambda _name, _line: None,
    ) -> AsyncIterator[Backend]:
        """A backend on free ports with everything it writes below *folder*; ready when entered, gone when left.

        *settings* are more ``FIREWALKER_…`` variables, over those of *environment*. With the addresses of servers among
        them (``FIREWALKER_USER_MYSQL_URL``, …, ``FIREWALKER_REDIS_URL``) no private ones are started.

        Raises:
            CannotStartError: Something is missing, or was not ready after *within_s* seconds.
        """
        asked = {**environment, **{name: str(port) for name, port in ports.free().items()}, **(settings or {})}
        with prepare(Layout.at(folder), asked, packages=Layout.of(environment).packages) as plan:
            backend = cls(plan, say)
            backend.start_all()
            try:
                await backend.wait_ready(within_s=within_s)
                yield backend
            finally:
                await backend.stop()

    def port(self, process: str, which: str = "PORT") -> int:
        """A port of *process*: its ``PORT``, ``INTERNAL_PORT`` or ``METRICS_PORT``."""
        return self.plan.port(process, which)

    def address(self, process: str, which: str = "PORT") -> str:
        """The same as ``host:port``."""
        return f"{ports.HOST}:{self.port(process, which)}"

    def setting(self, process: str, name: str) -> str:
        """What *process* is told as ``FIREWALKER_<process>_<name>``: ``backend.setting("step", "MYSQL_URL")``."""
        program = next(program for program in self.plan.programs() if program.name == process)
        return program.environment[f"FIREWALKER_{process.upper()}_{name}"]


@contextmanager
def prepare(
    layout: Layout,
    environment: Mapping[str, str],
    *,
    packages: Path | None = None,
    report: Callable[[str], None] = quiet,
) -> Iterator[Plan]:
    """Everything that comes before the first process: settings and ports checked, servers found, secrets made.

    Holds the folder until left, and then removes the sockets' folder if it is under the temporary directory.

    *packages* is where server packages are unpacked, the layout's own folder by default.

    Raises:
        CannotStartError: Another run uses the folder, a setting is wrong, a port is taken, or a server cannot be found.
    """
    with locked(layout.run_lock, busy=BUSY.replace("{root}", str(layout.root))):
        require_known(environment)
        chosen = ports.chosen(environment)
        ports.require_free(chosen)
        databases = private_databases(environment)
        sockets = layout.sockets()
        try:
            mysql = MySQLServer(_NOT_FOUND_YET, layout.data / "mysql", sockets, databases) if databases else None
            private_redis = needs_private_redis(environment)
            redis = RedisServer(_NOT_FOUND_YET, layout.data / "redis", sockets) if private_redis else None
            plan = Plan(environment, chosen, make_secrets(layout.secrets), mysql, redis)
            if plan.emulates_fcm:
                make_fcm_secrets(plan.secrets, plan.port("emulator", "TLS_PORT"))
            report("checking the configuration")
            check_configuration(plan)
            yield _with_servers(plan, packages or layout.packages, report)
        finally:
            remove_socket_folder(sockets)


def _with_servers(plan: Plan, unpacked: Path, report: Callable[[str], None]) -> Plan:
    """*plan* with the programs of its private servers, which may have to be downloaded first."""
    mysql, redis = plan.mysql, plan.redis
    if mysql is not None:
        mysql = replace(mysql, binary=find(MYSQL, unpacked, plan.environment, report))
        report(f"MySQL: {mysql.binary}")
    if redis is not None:
        redis = replace(redis, binary=find(REDIS, unpacked, plan.environment, report))
        report(f"Redis: {redis.binary}")
    return replace(plan, mysql=mysql, redis=redis)
