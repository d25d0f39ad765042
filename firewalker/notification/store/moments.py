"""What time it is for the database: one answer for all processes."""

from datetime import datetime

from firewalker.runtime.mysql import Transaction

_NOW = "SELECT UTC_TIMESTAMP(3)"


async def now(tx: Transaction) -> datetime:
    """The database's present instant, aware, in UTC."""
    (at,) = await tx.one(_NOW)
    found: datetime = at
    return found
