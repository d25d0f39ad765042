"""Tables with rows of one person, and the statements on them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, Transaction

PAGE = 500
"""Rows read or erased at once."""

ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Shown:
    """A value of a record that is not simply what stands in the column of its name."""

    name: str
    sql: str = ""
    """The expression that it is read by; the column of that name by default."""
    text: Callable[[Any], str] | None = None
    """How it is written; by its type by default."""


def named(name: str, words: type[Enum]) -> Shown:
    """A column that holds a number of *words*, shown by its word; by the number where only a newer release has a word."""
    known = {word.value: word.name for word in words}
    return Shown(name, text=lambda number: known.get(number, str(number)))


def plain(name: str) -> Shown:
    """A column of bytes that are text, whatever their length."""
    return Shown(name, text=lambda value: value.decode("utf-8", "backslashreplace"))


def truth(name: str) -> Shown:
    """A column that is a yes or a no."""
    return Shown(name, text=lambda value: "true" if value else "false")


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """Rows that belong to the user in the column *owner*. Names are those of the schema."""

    table: str
    owner: str
    kind: str = ""
    """What its records are called in an export; empty where none are given."""
    columns: Sequence[str | Shown] = ()
    """What a record holds."""
    where: str = "TRUE"
    """Which of the rows are records of this kind."""
    order: Sequence[str] = ()
    """Columns that make up an index together with the owner: pages go by them."""
    not_exported: str = ""
    """Why none are given."""
    erased: bool = True
    """Whether the erasure here removes the rows; else somebody else does."""
    kept: str = ""
    """Why it does not."""
    last: bool = False
    """Erased only once no access token of the person lives any more."""

    def __post_init__(self) -> None:
        if bool(self.kind) == bool(self.not_exported) or self.erased is bool(self.kept):
            raise ValueError(f"{self.table}.{self.owner}: exported or a reason, erased or a reason")


TOMBSTONES = PersonalTable(
    "tombstone",
    "user_id",
    not_exported="there is none as long as there is a person",
    erased=False,
    kept="keeps late arrivals and old backups from bringing anybody back",
)

OUTBOX = PersonalTable(
    "outbox",
    "about_id",
    not_exported="what the other services are about to be told of what is exported",
    erased=False,
    kept="gone once it is told, the deletion itself too; what was set aside is dropped",
)


@dataclass(frozen=True, slots=True)
class Record:
    """One thing about one person. Values are text."""

    kind: str
    fields: Mapping[str, str] = field(default_factory=dict)


async def exported(database: Database, tables: Sequence[PersonalTable], user: UserId) -> AsyncIterator[Record]:
    """The records of *user* in *tables*; a page at a time, no transaction around them."""
    for table in tables:
        start, shown = 0, [Shown(column) if isinstance(column, str) else column for column in table.columns]
        while table.kind:
            rows = await database.fresh(partial(_read_page, table=table, user=user, start=start))
            for row in rows:
                values = zip(shown, row, strict=True)
                yield Record(
                    table.kind,
                    {column.name: (column.text or _text)(value) for column, value in values if value is not None},
                )
            start += PAGE
            if len(rows) < PAGE:
                break


async def _read_page(tx: Transaction, *, table: PersonalTable, user: UserId, start: int) -> Sequence[tuple[Any, ...]]:
    return await tx.all(_page_of(table), {"user": user, "rows": PAGE, "start": start})


async def erase_some(tx: Transaction, table: PersonalTable, user: UserId) -> int:
    """Remove some rows of *user* and tell how many; 0 when none is left."""
    return await tx.execute(
        f"DELETE FROM {table.table} WHERE {table.owner} = %(user)s LIMIT %(rows)s",  # noqa: S608 - names of the schema
        {"user": user, "rows": PAGE},
    )


def _page_of(table: PersonalTable) -> str:
    order = ", ".join(table.order or (table.owner,))
    read = (column if isinstance(column, str) else column.sql or column.name for column in table.columns)
    return (
        f"SELECT {', '.join(read)} FROM {table.table} WHERE {table.owner} = %(user)s AND {table.where} "  # noqa: S608 - names of the schema
        f"ORDER BY {order} LIMIT %(rows)s OFFSET %(start)s"
    )


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return str(UUID(bytes=value)) if len(value) == ID_BYTES else value.decode("utf-8", "backslashreplace")
    return str(value)
