"""`firewalker backup` and `firewalker restore`: the three databases of one moment in a folder, and a backend made of it again.

A backup is a folder: a compressed dump for each service and ``manifest.json`` with what each table held. Beside the backups lies
``tombstones.jsonl``, who was ever deleted: it is newer than any of them, and no restore brings back who is in it. Keys are not in a
backup: they are kept where secrets are kept.

Databases are marked while they are filled, so a restore that is killed leaves no half of a backend that would start, and the next
one begins anew.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from firewalker.cli import tombstones
from firewalker.cli.services import mysql_urls, named_url
from firewalker.cli.terminal import CommandError, number, out
from firewalker.local.backend import BUSY
from firewalker.local.files import locked
from firewalker.local.layout import Layout
from firewalker.local.plan import DATABASES
from firewalker.local.secrets import SERVICES
from firewalker.local.servers import PrivateServers
from firewalker.runtime.mysql import restoring, snapshot
from firewalker.runtime.mysql.restoring import State
from firewalker.runtime.mysql.snapshot import Content, Contents, SnapshotError

MANIFEST = "manifest.json"
TOMBSTONES = "tombstones.jsonl"


class OccupiedError(CommandError):
    """A database holds something that no restore has put there."""


async def backup(folder: Path, urls: Mapping[str, str] | None = None) -> Path:
    """Write a new backup below *folder* while everything runs, and return where it is.

    *urls* are the services' databases, of the backend on this machine by default.

    Raises:
        CommandError: A database cannot be reached or read, is not fully restored, or they are on several servers. Nothing is
            left of the attempt.
    """
    databases = mysql_urls() if urls is None else urls
    began, taken = time.monotonic(), datetime.now(UTC)
    place = folder / taken.strftime("%Y%m%dT%H%M%S.%fZ")
    unfinished = place.with_suffix(".unfinished")
    try:
        unfinished.mkdir(mode=0o700, parents=True)
        await restoring.refuse_unfinished(databases.values())
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

    Before the services start, which they refuse until this has come to its end. What an earlier restore has left that did not
    is removed first. Redis needs nothing: the step service fills it when it starts.

    Raises:
        OccupiedError: A database is not empty.
        CommandError: The backup or the list of who was deleted is not complete, a database is not reached, another restore is
            at work, or what came back is not what was there.
    """
    databases = mysql_urls() if urls is None else urls
    expected = _checked(place)
    try:
        async with AsyncExitStack() as stack:
            fillings = [await stack.enter_async_context(restoring.alone(url, place.name)) for url in databases.values()]
            states = [await filling.state() for filling in fillings]
            if not _only_marks_are_left(states):
                if State.IN_USE in states:
                    occupied = fillings[states.index(State.IN_USE)].database
                    raise OccupiedError(f"Not restored: the database {occupied} is not empty")
                for filling in fillings:
                    await filling.begin()
                await _fill(place, databases, expected)
                for filling in fillings:
                    await filling.note_whole()
            for filling in fillings:
                await filling.end()
    except (SnapshotError, OSError) as problem:
        raise CommandError(f"Not restored: {problem}") from None


def _only_marks_are_left(states: Collection[State]) -> bool:
    """Whether an earlier restore did everything but take away all the marks: those without one may have been used since."""
    return State.WHOLE in states and set(states) <= {State.WHOLE, State.IN_USE}


async def _fill(place: Path, databases: Mapping[str, str], expected: Mapping[str, Contents]) -> None:
    began = time.monotonic()
    for service, url in databases.items():
        await snapshot.load(url, place / f"{service}.sql.gz")
        if await snapshot.contents(url) != expected[service]:
            raise CommandError(f"What came back of {service} is not what was backed up.")
    rows = sum(content.rows for tables in expected.values() for content in tables.values())
    out.print(f"{number(rows)} rows are back, every one as it was, after {time.monotonic() - began:.1f} s")
    await tombstones.apply(place.parent / TOMBSTONES, databases["user"])


async def restore_here(place: Path, environment: Mapping[str, str] = os.environ, packages: Path | None = None) -> None:
    """Make the backend of this machine out of the backup in *place*: of the databases that *environment* names, or private ones.

    Raises:
        CommandError: There is a backend already, or see `restore`. Of a new private one nothing is left then.
        CannotStartError: The private one runs, or cannot be made.
    """
    named = {service: named_url(service, "MYSQL_URL", environment) for service in SERVICES}
    if all(named.values()):
        await restore(place, named)
        return
    if any(named.values()):
        raise CommandError("Name the databases of all three services, or none: " + ", ".join(SERVICES) + ".")
    _checked(place)
    layout = Layout.of(environment)
    with locked(layout.run_lock, busy=BUSY.replace("{root}", str(layout.root))):
        before = _within(layout.data)
        try:
            await _restore_privately(place, layout, environment, packages or layout.packages)
        except OccupiedError:
            message = f"There is a backend in {layout.root} already; name another folder in FIREWALKER_LOCAL_DIR."
            raise CommandError(message) from None
        except BaseException:
            for path in _within(layout.data) - before:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            raise


async def _restore_privately(place: Path, layout: Layout, environment: Mapping[str, str], packages: Path) -> None:
    """The same in private databases, which may be there from a restore that was killed."""
    databases = tuple(DATABASES[service] for service in SERVICES)
    with PrivateServers.start(layout.data, databases=databases, packages=packages, environment=environment) as servers:
        await restore(place, {service: servers.mysql_url(DATABASES[service]) for service in SERVICES})


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
