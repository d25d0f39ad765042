"""The receiving side of events: which of a batch are new. The table is `inbox.sql`; sending is in `outbox`."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from firewalker.kernel.faults import Contention
from firewalker.kernel.ids import EventId
from firewalker.runtime.mysql import Transaction

_SEEN = "SELECT event_id FROM event_seen WHERE event_id IN ({places})"  # primary key
_INSERT = "INSERT INTO event_seen (event_id) VALUES"
_KEEP = "ON DUPLICATE KEY UPDATE event_id = VALUES(event_id)"  # changes nothing, but locks: a rival is waited for
_FORGET = "DELETE FROM event_seen WHERE seen_time < %s ORDER BY seen_time LIMIT %s"  # event_seen_time


async def first_time(tx: Transaction, event_ids: Iterable[EventId]) -> set[EventId]:
    """Note the events as seen, in the transaction that acts on them, and tell which were not seen before.

    Raises:
        Contention: Another transaction took one of them in at this moment; with `retried`, the next run sees it.
    """
    ids = sorted(set(event_ids))  # in the order of the key, so that two batches do not deadlock
    if not ids:
        return set()
    places = ",".join(["%s"] * len(ids))
    seen = {UUID(bytes=found) for (found,) in await tx.all(_SEEN.format(places=places), ids)}
    new = [event_id for event_id in ids if event_id not in seen]
    if await tx.execute_rows(_INSERT, "(%s)", [(event_id,) for event_id in new], _KEEP) != len(new):
        raise Contention
    return set(new)


async def forget(tx: Transaction, before: datetime, limit: int = 1_000) -> int:
    """Remove at most *limit* notes older than *before* and tell how many: repeats come within minutes, not months."""
    return await tx.execute(_FORGET, (before, limit))
