"""Tables with rows of one person, and the statements on them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, Transaction

PAGE = 500
"""Rows read or erased at once."""

ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """Rows that belong to the user in the column *owner*. Names are those of the schema."""

    table: str
    owner: str
    kind: str = ""
    """What its records are called in an export; empty where none are given."""
    columns: Sequence[str] = ()
    """What a record holds."""
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


@dataclass(frozen=True, slots=True)
class Record:
    """One thing about one person. Values are text."""

    kind: str
    fields: Mapping[str, str] = field(default_factory=dict)


async def exported(database: Database, tables: Sequence[PersonalTable], user: UserId) -> AsyncIterator[Record]:
    """The records of *user* in *tables*; a page at a time, no transaction around them."""
    for table in tables:
        start = 0
        while table.kind:
            async with database.reading() as reading:
                rows = await reading.all(_page_of(table), {"user": user, "rows": PAGE, "start": start})
            for row in rows:
                named = zip(table.columns, row, strict=True)
                yield Record(table.kind, {name: _text(value) for name, value in named if value is not None})
            start += PAGE
            if len(rows) < PAGE:
                break


async def erase_some(tx: Transaction, table: PersonalTable, user: UserId) -> int:
    """Remove some rows of *user* and tell how many; 0 when none is left."""
    return await tx.execute(
        f"DELETE FROM {table.table} WHERE {table.owner} = %(user)s LIMIT %(rows)s",  # noqa: S608 - names of the schema
        {"user": user, "rows": PAGE},
    )


def _page_of(table: PersonalTable) -> str:
    order = ", ".join(table.order or (table.owner,))
    return (
        f"SELECT {', '.join(table.columns)} FROM {table.table} WHERE {table.owner} = %(user)s "  # noqa: S608 - names of the schema
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
