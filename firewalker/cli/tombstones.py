"""`firewalker tombstones`: who was deleted, kept in a file beside the backups, so that no restored backup brings them back.

The file has one JSON object a line, `{"user_id": …, "delete_time": …}`: an id that says nothing, and a time.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from firewalker.cli.services import mysql_urls
from firewalker.cli.terminal import CommandError, number, out
from firewalker.kernel.clock import SystemClock
from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox
from firewalker.user.events import OutboxFacts
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.mails import Mails
from firewalker.user.store.provider_logins import ProviderLogins
from firewalker.user.store.sessions import Sessions
from firewalker.user.store.users import Users
from firewalker.user.usecases.burials import Burials, buried
from firewalker.user.usecases.removal import Removal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path


async def export(path: Path, urls: Mapping[str, str] | None = None) -> None:
    """Write everybody to *path* whom any of the services' databases knows as deleted, together with who stands there already.

    *urls* are those of the databases; by default those of the backend on this machine.

    Raises:
        CommandError: A database cannot be reached, or *path* holds something else.
    """
    found = dict(_read(path, missing_is_empty=True))
    for url in (mysql_urls() if urls is None else urls).values():
        async with _opened(url) as database:
            async for user, at in buried(database):
                found[user] = min(at.replace(tzinfo=UTC), found.get(user, datetime.max.replace(tzinfo=UTC)))
    lines = [
        json.dumps({"user_id": str(user), "delete_time": at.isoformat()}) + "\n" for user, at in sorted(found.items())
    ]
    fresh = path.with_name(path.name + ".new")
    fresh.write_text("".join(lines))
    fresh.replace(path)
    out.print(f"{number(len(found))} deleted users in {path}", markup=False)


async def apply(path: Path, url: str | None = None) -> int:
    """Delete everybody in *path* again who came back with a restored database; how many that were.

    To be done before the services start. Repeating it is harmless. *url* is that of the user service's database.

    Raises:
        CommandError: The database cannot be reached, or *path* cannot be read.
    """
    back = seen = 0
    async with _opened(url or mysql_urls()["user"]) as database:
        burials = Burials(
            database=database,
            accounts=Accounts(),
            removal=Removal(
                accounts=Accounts(), users=Users(), sessions=Sessions(), mails=Mails(), links=ProviderLogins()
            ),
            facts=OutboxFacts(Outbox("step", "notification")),
            clock=SystemClock(),
        )
        for user, at in _read(path):
            back += await burials.bury(user, at)
            seen += 1
    out.print(f"{number(seen)} deleted users; {number(back)} had come back and are deleted again")
    return back


def check(path: Path) -> None:
    """Read all of *path*.

    Raises:
        CommandError: It cannot be read.
    """
    for _ in _read(path):
        pass


def _read(path: Path, *, missing_is_empty: bool = False) -> Iterator[tuple[UserId, datetime]]:
    try:
        if missing_is_empty and not path.exists():
            return
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            user = parse_uuid(entry["user_id"])
            if user is None:
                raise ValueError(entry["user_id"])  # noqa: TRY301 - like any other line that is none
            yield UserId(user), datetime.fromisoformat(entry["delete_time"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        message = f"{path} holds no tombstones: {problem}"
        raise CommandError(message) from None


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    try:
        async with Database(url, pool_size=1) as database:
            yield database
    except (Fault, OSError) as problem:
        message = f"A database cannot be reached: {problem}"
        raise CommandError(message) from None
