"""What a whole Firewalker backend on one machine consists of: its programs, their order, the environment of each.

Pure but for the probes it hands out: it starts nothing and reads no file.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from firewalker.local.ports import HOST
from firewalker.local.readiness import grpc_serving, http_ok, off_the_loop
from firewalker.local.secrets import SERVICES
from firewalker.local.unit import Program
from firewalker.runtime.settings import given, source, value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firewalker.local.mysql_server import MySQLServer
    from firewalker.local.redis_server import RedisServer
    from firewalker.local.secrets import Secrets

DESCRIPTOR_SET = Path(__file__).resolve().parents[1] / "gen" / "api.binpb"

CALLS: Mapping[str, tuple[str, ...]] = {
    "user": ("step", "notification"),
    "step": ("user", "notification"),
    "notification": ("user", "step"),
}
"""Whose internal port each service calls: what its configuration has an address for, and refuses otherwise."""

DATABASES: Mapping[str, str] = {service: f"firewalker_{service}" for service in SERVICES}
"""The database of each service on the private server."""

SERVER_STOP_S = 30

MYSQL_PORT = 3306

FINAL = frozenset({2})
"""The status with which services and transcoder refuse their configuration, which no further start would change."""


@dataclass(frozen=True)
class Plan:
    """The programs of one backend, made from where its parts are."""

    environment: Mapping[str, str]
    """Of the person who starts it. What it sets for a service wins over everything here."""
    ports: Mapping[str, int]
    """By variable, as in `ports.DEFAULTS`."""
    secrets: Secrets
    mysql: MySQLServer | None
    """None: every service has a database given in the environment."""
    redis: RedisServer | None
    """None: the environment gives one."""

    def programs(self) -> list[Program]:
        """All of them, in an order in which they could be started one by one."""
        made = [*self._servers(), *self._emulator()]
        for service in SERVICES:
            environment = self._environment(service, self.service_settings(service))
            module = [sys.executable, "-m", f"firewalker.{service}"]
            servers = tuple(program.name for program in made if program.name in {"mysql", "redis"})
            migration = Program(f"{service}-migrate", [*module, "migrate"], environment, needs=servers, once=True)
            ready = partial(grpc_serving, HOST, self.port(service))
            # Needs the servers again, though its migration does: they are to be stopped after it.
            needs = (migration.name, *servers)
            if service == "notification" and self.emulates_fcm:
                needs = (*needs, "emulator")
            serving = Program(service, module, environment, ready, needs=needs)
            hint = self._database_hint(service)
            made += [replace(program, final=FINAL, hint=hint) for program in (migration, serving)]
        settings = self.transcoder_settings()
        ready = partial(http_ok, HOST, self.port("transcoder"), "/readyz")
        command = [sys.executable, "-m", "transcoder"]
        environment = self._environment("transcoder", settings)
        return [*made, Program("transcoder", command, environment, ready, needs=SERVICES, final=FINAL)]

    def service_settings(self, service: str) -> dict[str, str]:
        """What *service* is told, by variable, apart from what the environment sets for it itself."""
        settings = {
            "PORT": str(self.port(service)),
            "INTERNAL_PORT": str(self.port(service, "INTERNAL_PORT")),
            "METRICS_PORT": str(self.port(service, "METRICS_PORT")),
            "JWKS_FILE": str(self.secrets.jwks),
            "SERVICE_TOKEN_FILE": str(self.secrets.service_token(service)),
            "SERVICE_ALLOW_FILE": str(self.secrets.allowed_services),
            "PAGE_KEY_FILE": str(self.secrets.page_key),
            "LOG_PSEUDONYM_KEY_FILE": str(self.secrets.log_key),
        }
        if self.mysql is not None and source(self.environment, service, "MYSQL_URL") is None:
            settings["MYSQL_URL"] = self.mysql.url(DATABASES[service])
        redis = source(self.environment, service, "REDIS_URL")
        if redis is None and self.redis is not None:
            settings["REDIS_URL"] = self.redis.url()
        elif redis is not None and redis.of_all:
            settings["REDIS_URL_FILE" if redis.is_file else "REDIS_URL"] = self.environment[redis.variable]
        if service == "user":
            settings["ACCESS_TOKEN_KEY_FILE"] = str(self.secrets.access_token_key)
            settings["REFRESH_KEY_FILE"] = str(self.secrets.refresh_key)
            if "FIREWALKER_USER_AVATAR_BUCKET" not in self.environment:
                settings["AVATAR_FOLDER"] = str(self.secrets.folder.parent / "pictures")
                settings["MEDIA_PORT"] = str(self.port(service, "MEDIA_PORT"))
                settings["AVATAR_URL"] = f"http://{HOST}:{self.port(service, 'MEDIA_PORT')}/avatars"
            settings["LINK_URL"] = f"http://{HOST}:{self.port('transcoder')}"
            settings["INVITE_LINK"] = f"{settings['LINK_URL']}/?invite="
            if "FIREWALKER_USER_MAIL_URL" not in self.environment:
                settings["MAIL_FOLDER"] = str(self.secrets.folder.parent / "mail")
        if service == "notification" and self.emulates_fcm:
            settings["FCM_CREDENTIALS"] = str(self.secrets.fcm_account)
            settings["FCM_CA_FILE"] = str(self.secrets.fcm_authority)
            settings["FCM_BASE_URL"] = f"https://{HOST}:{self.port('emulator', 'TLS_PORT')}"
        for other in CALLS[service]:
            settings[f"{other.upper()}_ADDRESS"] = f"{HOST}:{self.port(other, 'INTERNAL_PORT')}"
        return {f"FIREWALKER_{service.upper()}_{name}": value for name, value in settings.items()}

    def url(self, service: str, field: str) -> str:
        """The ``MYSQL_URL`` or ``REDIS_URL`` of *service*, as the service itself reads it.

        Raises:
            OSError, UnicodeError: The file that it is in cannot be read.
        """
        of_environment = given(self.environment, service, field)
        return of_environment or self.service_settings(service)[f"FIREWALKER_{service.upper()}_{field}"]

    @property
    def emulates_fcm(self) -> bool:
        """Whether pushes go to the emulator here: unless the environment has a service account for Google's."""
        return not self.environment.get("FIREWALKER_NOTIFICATION_FCM_CREDENTIALS")

    def transcoder_settings(self) -> dict[str, str]:
        """What the transcoder is told, by variable, apart from what the environment sets for it itself."""
        return {
            "FIREWALKER_TRANSCODER_PORT": str(self.port("transcoder")),
            "FIREWALKER_TRANSCODER_METRICS_PORT": str(self.port("transcoder", "METRICS_PORT")),
            "FIREWALKER_TRANSCODER_DESCRIPTOR_SET": str(DESCRIPTOR_SET),
            "FIREWALKER_TRANSCODER_BACKENDS": ",".join(
                f"firewalker.{service}.v1={HOST}:{self.port(service)}" for service in SERVICES
            ),
            "FIREWALKER_TRANSCODER_SESSION_SERVICE": "firewalker.user.v1.AuthService",
            # As the services do by default: `up` shows the lines of all to a person.
            "FIREWALKER_TRANSCODER_LOG_FORMAT": "console",
        }

    def port(self, process: str, which: str = "PORT") -> int:
        """A port of *process*: its ``PORT``, ``INTERNAL_PORT`` or ``METRICS_PORT``."""
        return self.ports[f"FIREWALKER_{process.upper()}_{which}"]

    def _database_hint(self, service: str) -> str:
        """Where the database of *service* is, for a person whose service does not start; empty if it is a private one."""
        found = source(self.environment, service, "MYSQL_URL")
        if found is None:
            return ""
        with contextlib.suppress(OSError, UnicodeError):  # the service itself says what is wrong with it
            if place := database_place(value(self.environment, found)):
                return f"Its database is at {place} ({found.variable})."
        return ""

    def _servers(self) -> list[Program]:
        made = []
        for name, server in (("mysql", self.mysql), ("redis", self.redis)):
            if server is not None:
                program = Program(
                    name,
                    server.command(),
                    server.binary.environment(),
                    partial(off_the_loop, server.answers),
                    hushed=True,
                    prepare=server.prepare,
                    stop_within_s=SERVER_STOP_S,
                )
                made.append(program)
        return made

    def _emulator(self) -> list[Program]:
        if not self.emulates_fcm:
            return []
        settings = {
            "FIREWALKER_EMULATOR_PORT": str(self.port("emulator")),
            "FIREWALKER_EMULATOR_TLS_PORT": str(self.port("emulator", "TLS_PORT")),
            "FIREWALKER_EMULATOR_ACCOUNT_FILE": str(self.secrets.fcm_account),
            "FIREWALKER_EMULATOR_CERTIFICATE_FILE": str(self.secrets.fcm_certificate),
        }
        ready = partial(http_ok, HOST, self.port("emulator"), "/healthz")
        command = [sys.executable, "-m", "firewalker.emulator"]
        return [Program("emulator", command, self._environment("emulator", settings), ready)]

    def _environment(self, process: str, settings: Mapping[str, str]) -> dict[str, str]:
        """The person's environment without what Firewalker's other processes are told, over the settings made here.

        A process refuses settings it does not know, and must not see what others are trusted with.
        """
        prefix = f"FIREWALKER_{process.upper()}_"
        kept = {
            name: value
            for name, value in self.environment.items()
            if not name.startswith("FIREWALKER_") or (name.startswith(prefix) and value)
        }
        return {"PYTHONUNBUFFERED": "1", **settings, **kept}


def private_databases(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The databases for which *environment* names no server."""
    return tuple(DATABASES[name] for name in SERVICES if source(environment, name, "MYSQL_URL") is None)


def needs_private_redis(environment: Mapping[str, str]) -> bool:
    """Whether *environment* leaves a service without a Redis."""
    return any(source(environment, name, "REDIS_URL") is None for name in SERVICES)


def database_place(url: str) -> str:
    """The ``host:port`` or the socket's path in a MySQL URL, nothing else of it; empty if it cannot be told.

    No user and above all no password: it is for messages.
    """
    try:
        parts = urlsplit(url)
        socket = parse_qs(parts.query).get("unix_socket")
        return socket[0] if socket else f"{parts.hostname}:{parts.port or MYSQL_PORT}" if parts.hostname else ""
    except ValueError:
        return ""  # the service itself says what is wrong with it
