"""What `day_device` takes on disk: for figures of growth, not for requests."""

from typing import NamedTuple

from firewalker.runtime.mysql import Transaction

_REFRESH = "ANALYZE TABLE day_device"

# Counts all rows.
_ROWS = "SELECT COUNT(*) FROM day_device"

_BYTES = """
    SELECT data_length + index_length FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'day_device'
"""


class Size(NamedTuple):
    """Rows, and the bytes of them and of their indexes."""

    rows: int
    total_bytes: int


async def measure(tx: Transaction) -> Size:
    """The size of the table as it is now."""
    await tx.all(_REFRESH)
    (rows,) = await tx.one(_ROWS)
    (total_bytes,) = await tx.one(_BYTES)
    return Size(rows, int(total_bytes))
