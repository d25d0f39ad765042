"""Looking at a database from outside: what `firewalker doctor` shows."""

from typing import NamedTuple

from firewalker.runtime.mysql.database import Database

_DESCRIBE = "SELECT VERSION(), (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE())"


class Description(NamedTuple):
    """The server's version as it names itself, and how many tables the database has."""

    version: str
    tables: int


async def describe(url: str) -> Description:
    """Connect to the database of *url*, look, and leave.

    Raises:
        DatabaseUnavailable: It does not answer, or does not let us in.
    """
    async with Database(url, pool_size=1, name="inspection") as database, database.reading() as tx:
        return Description(*await tx.one(_DESCRIBE))
