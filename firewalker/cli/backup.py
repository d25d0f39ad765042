"""`firewalker backup` and `firewalker restore`: the three databases of one moment in a folder, and a backend made of it again.

A backup is a folder: a compressed dump for each service and ``manifest.json`` with what each table held. Beside the backups lies
``tombstones.jsonl``, who was ever deleted: it is newer than any of them, and no restore brings back who is in it. Keys are not in a
backup: they are kept where secrets are kept.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from firewalker.cli import tombstones
from firewalker.cli.services import mysql_urls
from firewalker.cli.terminal import CommandError, number, out
from firewalker.local.layout import Layout
from firewalker.local.plan import DATABASES
from firewalker.local.secrets import SERVICES
from firewalker.local.servers import PrivateServers
from firewalker.runtime.mysql import snapshot
from firewalker.runtime.mysql.snapshot import Content, Contents, SnapshotError

MANIFEST = "manifest.json"
TOMBSTONES = "tombstones.jsonl"


async def backup(folder: Path, urls: Mapping[str, str] | None = None) -> Path:
    """Write a new backup below *folder* while everything runs, and return where it is.

    *urls* are the services' databases, of the backend on this machine by default.

    Raises:
        CommandError: A database cannot be reached or read, or they are on several servers. Nothing is left of the attempt.
    """
    databases = mysql_urls() if urls is None else urls
    began, taken = time.monotonic(), datetime.now(UTC)
    place = folder / taken.strftime("%Y%m%dT%H%M%S.%fZ")
    unfinished = place.with_suffix(".unfinished")
    try:
        unfinished.mkdir(mode=0o700, parents=True)
        held = await snapshot.dump(list(databases.values()), [unfinished / f"{name}.sql.gz" for name in databases])
        manifest = {
            "taken": taken.isoformat(),
            "databases": {
                service: {table: asdict(content) for table, content in tables.items()}
                for service, tables in zip(databases, held, strict=True)
            },
        }
        (unfinished / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
        unfinished.rename(place)
    except (SnapshotError, OSError) as problem:
        raise CommandError(f"No backup was made: {problem}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    await tombstones.export(folder / TOMBSTONES, databases)
    rows = sum(content.rows for tables in held for content in tables.values())
    out.print(f"{number(rows)} rows in {place} after {time.monotonic() - began:.1f} s", markup=False, soft_wrap=True)
    return place


async def restore(place: Path, urls: Mapping[str, str] | None = None) -> None:
    """Fill empty databases with the backup in *place*, compare, and delete again who was deleted since.

    Before the services start. Redis needs nothing: the step service fills it when it starts.

    Raises:
        CommandError: The backup or the list of who was deleted is not complete, a database is not empty or not reached, or what
            came back is not what was there.
    """
    databases = mysql_urls() if urls is None else urls
    expected = _checked(place)
    began = time.monotonic()
    try:
        for service, url in databases.items():
            await snapshot.load(url, place / f"{service}.sql.gz")
            if await snapshot.contents(url) != expected[service]:
                raise CommandError(f"What came back of {service} is not what was backed up.")
    except (SnapshotError, OSError) as problem:
        raise CommandError(f"Not restored: {problem}") from None
    rows = sum(content.rows for tables in expected.values() for content in tables.values())
    out.print(f"{number(rows)} rows are back, every one as it was, after {time.monotonic() - began:.1f} s")
    await tombstones.apply(place.parent / TOMBSTONES, databases["user"])


async def restore_here(place: Path, environment: Mapping[str, str] = os.environ, packages: Path | None = None) -> None:
    """Make the backend of this machine out of the backup in *place*: of the databases that *environment* names, or private ones.

    Raises:
        CommandError: There is a backend already, or see `restore`. Of a private one nothing is left then.
    """
    named = {service: environment.get(f"FIREWALKER_{service.upper()}_MYSQL_URL", "") for service in SERVICES}
    if all(named.values()):
        await restore(place, named)
        return
    if any(named.values()):
        raise CommandError("Name the databases of all three services, or none: " + ", ".join(SERVICES) + ".")
    _checked(place)
    layout = Layout.of(environment)
    if (layout.data / "mysql").exists():
        raise CommandError(f"There is a backend in {layout.root} already; name another folder in FIREWALKER_LOCAL_DIR.")
    databases = tuple(DATABASES[service] for service in SERVICES)
    before = _within(layout.data)
    try:
        with PrivateServers.start(
            layout.data, databases=databases, packages=packages or layout.packages, environment=environment
        ) as servers:
            await restore(place, {service: servers.mysql_url(DATABASES[service]) for service in SERVICES})
    except BaseException:
        # `up` would start it: half a backend, or one to which those came back who were deleted.
        for path in _within(layout.data) - before:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        raise


def _within(folder: Path) -> set[Path]:
    return set(folder.iterdir()) if folder.exists() else set()


def _checked(place: Path) -> dict[str, Contents]:
    """What the backup in *place* holds, by service, once it is known that all is there that a restore needs.

    Raises:
        CommandError: It is not.
    """
    expected = _manifest(place)
    missing = [
        service for service in SERVICES if service not in expected or not (place / f"{service}.sql.gz").is_file()
    ]
    if missing:
        raise CommandError(f"{place} holds no complete backup: nothing of {', '.join(missing)}")
    tombstones.check(place.parent / TOMBSTONES)
    return expected


def _manifest(place: Path) -> dict[str, Contents]:
    try:
        databases = json.loads((place / MANIFEST).read_text())["databases"]
        return {
            service: {table: Content(**content) for table, content in tables.items()}
            for service, tables in databases.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise CommandError(f"{place} holds no complete backup: {problem}") from None
