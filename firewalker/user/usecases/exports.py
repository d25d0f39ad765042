"""Everything that the services keep about one person, for that person."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database
from firewalker.runtime.personal_data import PersonalTable, Record, exported


class PersonalData(Protocol):
    """Another service's part of it (`firewalker.runtime.services.personal_data`)."""

    def of(self, user: UserId) -> AsyncIterator[Record]:
        """The records of *user*."""


class Exports:
    """Exports of one's own data."""

    def __init__(self, database: Database, tables: Sequence[PersonalTable], others: Sequence[PersonalData]) -> None:
        self._database = database
        self._tables = tables
        self._others = others

    async def of(self, caller: UserId) -> AsyncIterator[Record]:
        """The caller's records, of this service first.

        Raises:
            ServiceUnavailable: Another service is away: what came until then is not everything.
        """
        async for record in exported(self._database, self._tables, caller):
            yield record
        for other in self._others:
            async for record in other.of(caller):
                yield record
