"""Migrates and rebuilds what `firewalker up` runs, and tells where it is.

Each service knows how to migrate and rebuild its own; this only finds the settings.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import MofNCompleteColumn, Progress

from firewalker.cli.terminal import CommandError, err, out
from firewalker.kernel.faults import Fault
from firewalker.local import ports
from firewalker.local.binaries import Binary
from firewalker.local.layout import Layout
from firewalker.local.mysql_server import MySQLServer
from firewalker.local.plan import DATABASES, Plan, needs_private_redis, private_databases
from firewalker.local.redis_server import RedisServer
from firewalker.local.secrets import SERVICES, make_secrets
from firewalker.runtime.redis import RedisUnavailable
from firewalker.runtime.settings import given
from firewalker.step.live.rebuild import rebuild_now

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNKNOWN = Binary(Path("unknown"), "unknown", (0, 0, 0))
"""The private servers' programs, which do not matter here: what runs is connected to, nothing is started. Looking for them
might download them."""


def plan(environment: Mapping[str, str] = os.environ) -> Plan:
    """The backend of this machine as `firewalker up` runs it, whether it runs now or not. Good for its settings only.

    Raises:
        CannotStartError: A setting is wrong.
        CommandError: The environment names no databases and there never was a run here.
    """
    layout = Layout.of(environment)
    mysql = redis = None
    if private_databases(environment):
        if not (layout.data / "mysql").exists():
            message = (
                f"There is no backend in {layout.root} yet: start one with `firewalker up`, or name the databases in "
                "FIREWALKER_USER_MYSQL_URL, FIREWALKER_STEP_MYSQL_URL and FIREWALKER_NOTIFICATION_MYSQL_URL."
            )
            raise CommandError(message)
        mysql = MySQLServer(_UNKNOWN, layout.data / "mysql", layout.sockets(), tuple(DATABASES.values()))
    if needs_private_redis(environment):
        redis = RedisServer(_UNKNOWN, layout.data / "redis", layout.sockets())
    return Plan(environment, ports.chosen(environment), make_secrets(layout.secrets), mysql, redis)


def migrate(service: str | None) -> int:
    """Migrate the database of *service*, of all services if None; the exit status of the first that fails, else 0.

    Raises:
        CommandError: There is no such service, or the private MySQL does not run.
    """
    if service is not None and service not in SERVICES:
        message = f"{service!r} is no service; there are {', '.join(SERVICES)}."
        raise CommandError(message)
    programs = {program.name: program for program in _running().programs()}
    for name in [service] if service else SERVICES:
        program = programs[f"{name}-migrate"]
        done = subprocess.run(program.command, env=program.environment, check=False)  # noqa: S603 - our own interpreter
        if done.returncode:
            return done.returncode
    return 0


async def rebuild() -> None:
    """Rebuild from MySQL what the step service keeps in Redis, while everything runs.

    Raises:
        CommandError: MySQL or Redis cannot be reached.
    """
    mysql_url, redis_url = url("step", "MYSQL_URL"), url("step", "REDIS_URL")
    began = time.monotonic()
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=err, transient=True) as bar:
        totals = bar.add_task("Rebuilding the live totals of the open dates", total=None)
        try:
            await rebuild_now(
                mysql_url,
                redis_url,
                lambda done, of: bar.update(totals, completed=done, total=of),
            )
        except (RedisUnavailable, Fault) as problem:
            message = f"Redis could not be rebuilt: {problem} The services go on trying by themselves."
            raise CommandError(message) from None
    out.print(f"Redis is complete again after {time.monotonic() - began:.1f} s.")


def mysql_urls() -> dict[str, str]:
    """The database of each service.

    Raises:
        CommandError: It cannot be told, or is the private MySQL and that does not run.
    """
    return {name: url(name, "MYSQL_URL") for name in SERVICES}


def url(service: str, field: str, environment: Mapping[str, str] = os.environ) -> str:
    """The ``MYSQL_URL`` or ``REDIS_URL`` of *service*: what the environment says, as the service itself reads it, or the
    private server's.

    Raises:
        CommandError: The file that it is in cannot be read; or it is the private MySQL and that does not run.
    """
    return named_url(service, field, environment) or _running().url(service, field)


def named_url(service: str, field: str, environment: Mapping[str, str] = os.environ) -> str:
    """The same where the environment names one, else empty.

    Raises:
        CommandError: The file that it is in cannot be read.
    """
    try:
        return given(environment, service, field)
    except (OSError, UnicodeError) as error:
        raise CommandError(f"The {field} of {service} cannot be read from its file: {error}") from None


def _running() -> Plan:
    """The plan, if the private MySQL in it runs."""
    here = plan()
    if here.mysql is not None and not here.mysql.answers():
        message = "The private MySQL does not run: start the backend with `firewalker up`, which also migrates."
        raise CommandError(message)
    return here
