"""The statements of delivery: who has the lane to a destination, what is next, what became of it.

All times are the database's, so that processes whose clocks differ agree on leases.
"""

import math
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.runtime.outbox.gate import Gate
from firewalker.runtime.outbox.shares import EVERYBODY

BATCH = 100
"""Most facts in one delivery (event_sink.proto)."""

LEASE_S = 10
"""How long a process that died keeps the lane from others. Longer than one delivery can take, so that a lease that has
expired means that nothing of its holder is on the way."""

MAX_ATTEMPTS = 10
"""After so many failures of its own a fact is set aside: by then about a quarter of an hour has passed."""

OF: Final = "/"
"""Between a destination and a share in the name of a lane, such as ``notification/3``."""

_MAKE = "INSERT INTO outbox_lane (destination) VALUES (%s) ON DUPLICATE KEY UPDATE destination = VALUES(destination)"
# Indexes are forced: one that reads the whole table in the order of its key finds what is due to a destination behind all that
# waits for others.
_ANY = """
    SELECT 1 FROM outbox FORCE INDEX (outbox_next)
    WHERE destination = %s AND set_aside = 0 AND due_time <= CURRENT_TIMESTAMP(3) ORDER BY position LIMIT 1
"""  # outbox_next
_ANY_OF_SHARE = """
    SELECT 1 FROM outbox FORCE INDEX (outbox_share)
    WHERE destination = %s AND share = %s AND set_aside = 0 AND due_time <= CURRENT_TIMESTAMP(3)
    ORDER BY position LIMIT 1
"""  # outbox_share
_TAKE = """
    SELECT owner, lease_until > CURRENT_TIMESTAMP(3) FROM outbox_lane WHERE destination = %s FOR UPDATE SKIP LOCKED
"""  # primary key
_LEASE = (
    "UPDATE outbox_lane SET owner = %s, lease_until = CURRENT_TIMESTAMP(3) + INTERVAL %s SECOND WHERE destination = %s"
)
_OWNER = "SELECT owner FROM outbox_lane WHERE destination = %s FOR UPDATE"  # primary key
_RELEASE = "UPDATE outbox_lane SET owner = NULL, lease_until = NULL WHERE destination = %s AND owner = %s"
_NEXT = """
    SELECT position, event_id, payload, attempts, share FROM outbox FORCE INDEX (outbox_next)
    WHERE destination = %s AND set_aside = 0 AND due_time <= CURRENT_TIMESTAMP(3) ORDER BY position LIMIT %s
"""  # outbox_next
_NEXT_OF_SHARE = """
    SELECT position, event_id, payload, attempts, share FROM outbox FORCE INDEX (outbox_share)
    WHERE destination = %s AND share = %s AND set_aside = 0 AND due_time <= CURRENT_TIMESTAMP(3)
      AND position < COALESCE((
        SELECT position FROM outbox FORCE INDEX (outbox_share)
        WHERE destination = %s AND share = 0 AND set_aside = 0 AND due_time <= CURRENT_TIMESTAMP(3)
        ORDER BY position LIMIT 1
      ), ~0)
    ORDER BY position LIMIT %s
"""  # outbox_share, twice
_DELIVERED = "DELETE FROM outbox WHERE position IN ({places})"  # primary key
_ATTEMPT = "UPDATE outbox SET attempts = attempts + 1 WHERE position = %s"  # primary key
_FAILED = """
    UPDATE outbox SET last_error = %s, set_aside = attempts >= %s,
      due_time = CURRENT_TIMESTAMP(3) + INTERVAL LEAST(300, POW(2, LEAST(attempts, 9))) SECOND
    WHERE position = %s
"""  # primary key
_SPARED = """
    UPDATE outbox SET last_error = %s, attempts = GREATEST(attempts, 1) - 1,
      due_time = CURRENT_TIMESTAMP(3) + INTERVAL %s SECOND
    WHERE position = %s
"""  # primary key
_REPLAY = "UPDATE outbox SET set_aside = 0, attempts = 0, due_time = CURRENT_TIMESTAMP(3) WHERE destination = %s AND set_aside = 1"
_COUNTS = """
    SELECT COUNT(*), COALESCE(SUM(set_aside), 0), MIN(CASE WHEN set_aside = 0 THEN create_time END), CURRENT_TIMESTAMP(3)
    FROM outbox WHERE destination = %s
"""  # outbox_next


class Row(NamedTuple):
    """A fact that is to be delivered."""

    position: int
    event_id: UUID
    payload: bytes
    attempts: int
    share: int


class Counts(NamedTuple):
    """How a lane stands."""

    waiting: int
    set_aside: int
    oldest_s: float


class Taken(NamedTuple):
    """The lane is ours for 10 s."""

    rows: Sequence[Row]
    orphaned: bool
    """The former holder died while it had the lane: one of these rows may be the reason."""


class Lane:
    """The way to one destination, or of one share of the facts for it, as seen by one relay."""

    def __init__(
        self, database: Database, destination: str, share: int | None = None, gate: Gate | None = None
    ) -> None:
        """With a *share*, all lanes of the destination in this process have one *gate*."""
        self._db = database
        self.destination = destination
        self.share = share
        self.name = destination if share is None else f"{destination}{OF}{share}"
        self._gate = gate
        self._owner = uuid4()
        self._ours_until = -math.inf

    @property
    def lease_left_s(self) -> float:
        """How long the lane is surely ours yet, by this machine's clock; nothing or less: somebody else may have it."""
        return self._ours_until - time.monotonic()

    @retried(idempotent=True)
    async def prepare(self) -> None:
        """Make the lane's row if it is missing."""
        if self._gate is not None:
            await self._gate.prepare()
        async with self._db.transaction() as tx:
            await tx.execute(_MAKE, (self.name,))

    async def has_work(self) -> bool:
        """Whether anything is due. Takes no lock."""
        async with self._db.reading() as tx:
            if self.share is None:
                return await tx.find(_ANY, (self.destination,)) is not None
            return await tx.find(_ANY_OF_SHARE, (self.destination, self.share)) is not None

    @retried(idempotent=True)
    async def take(self, delivered: Sequence[Row] = ()) -> Taken | None:
        """Remove what was *delivered*, then lease the lane and get the next rows; None while somebody else has it.

        With nothing due, the lane is given up and the rows are empty.
        """
        may = await self._may_deliver()
        began = time.monotonic()
        async with self._db.transaction() as tx:
            if delivered:
                places = ",".join(["%s"] * len(delivered))
                await tx.execute(_DELIVERED.format(places=places), [row.position for row in delivered])
            lane = await tx.find(_TAKE, (self.name,)) if may else None
            if lane is None:
                return None
            owner, alive = lane
            ours = owner == self._owner.bytes
            if owner is not None and not ours and alive:
                return None
            found = await self._next(tx)
            if found:
                await tx.execute(_LEASE, (self._owner, LEASE_S, self.name))
            elif owner is not None:
                await tx.execute(_RELEASE, (self.name, owner))
        self._ours_until = began + LEASE_S if found else -math.inf
        rows = [Row(position, UUID(bytes=event_id), *rest) for position, event_id, *rest in found]
        return Taken(rows, orphaned=owner is not None and not ours)

    @retried(idempotent=True)
    async def release(self) -> None:
        """Let others have the lane, if it is ours."""
        async with self._db.transaction() as tx:
            await tx.execute(_RELEASE, (self.name, self._owner))

    @retried
    async def begin_attempt(self, row: Row) -> bool:
        """Count an attempt before it is made, so that one that kills the process is counted too. Renews the lease.

        False if somebody else has the lane by now: then nothing is counted, and *row* is not ours to deliver.
        """
        if not await self._may_deliver():
            return False
        began = time.monotonic()
        async with self._db.transaction() as tx:
            if not await self._renewed(tx):
                return False
            await tx.execute(_ATTEMPT, (row.position,))
        self._ours_until = began + LEASE_S
        return True

    @retried(idempotent=True)
    async def finish(self, row: Row) -> bool:
        """Remove *row*, which was delivered. Renews the lease; False if somebody else has the lane by now."""
        began = time.monotonic()
        async with self._db.transaction() as tx:
            await tx.execute(_DELIVERED.format(places="%s"), (row.position,))
            ours = await self._renewed(tx)
        self._ours_until = began + LEASE_S if ours else -math.inf
        return ours

    @retried(idempotent=True)
    async def fail(self, row: Row, error: str) -> None:
        """Put *row* off, for 2, 4, 8 … 300 s by its attempts, or set it aside after the last one."""
        async with self._db.transaction() as tx:
            await tx.execute(_FAILED, (error[:200], MAX_ATTEMPTS, row.position))

    @retried
    async def spare(self, row: Row, error: str, seconds: float) -> None:
        """Put *row* off without holding the attempt that `begin_attempt` counted against it."""
        async with self._db.transaction() as tx:
            await tx.execute(_SPARED, (error[:200], seconds, row.position))

    async def _renewed(self, tx: Transaction) -> bool:
        """Whether the lane is ours still; then the lease begins anew. Locks it against who would take it."""
        lane = await tx.find(_OWNER, (self.name,))
        if lane is None or lane[0] != self._owner.bytes:
            return False
        await tx.execute(_LEASE, (self._owner, LEASE_S, self.name))
        return True

    async def _may_deliver(self) -> bool:
        return self._gate is None or await self._gate.is_ours()

    async def _next(self, tx: Transaction) -> Sequence[tuple[Any, ...]]:
        if self.share not in (None, EVERYBODY):
            return await tx.all(_NEXT_OF_SHARE, (self.destination, self.share, self.destination, BATCH))
        found = await tx.all(_NEXT, (self.destination, BATCH))
        if self.share is None or (found and found[0][-1] == EVERYBODY):
            return found  # all lanes wait for the first of them: what follows goes along, else they would go in turns
        return ()

    @retried
    async def replay(self) -> int:
        """Put everything that was set aside for the destination back, and tell how much it was."""
        async with self._db.transaction() as tx:
            return await tx.execute(_REPLAY, (self.destination,))

    async def counts(self) -> Counts:
        """How many rows there are and how old the oldest is."""
        async with self._db.reading() as tx:
            waiting, set_aside, oldest, now = await tx.one(_COUNTS, (self.destination,))
        oldest_s = 0.0 if oldest is None else (now - oldest).total_seconds()
        return Counts(int(waiting) - int(set_aside), int(set_aside), oldest_s)
