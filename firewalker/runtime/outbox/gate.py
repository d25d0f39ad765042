"""Who may deliver to a destination that is split: the lanes of its shares, or processes of releases that know no shares.

Those lease the destination as a whole. So the lanes of all processes lease it together, under one name, beside the lease
that each has of its own; while either side has it the other waits. In a rolling upgrade, and in one that is taken back, one
side takes over from the other by itself, within `KEPT_S` of when the last process of the other was gone.
"""

import asyncio
import math
import time
from typing import Final
from uuid import UUID

from firewalker.runtime.mysql import Database, retried

TOGETHER: Final = UUID("7f0c6f52-38a1-4d0f-9a52-5c1b8a2f6d08")
"""Under which name lanes of eight shares lease their destination. Lanes of another number of shares would need another."""

KEPT_S: Final = 30
"""How long the lease lasts: as long as no process needs to renew it but seldom."""

ENOUGH_S: Final = 15.0
"""With so much of it left no lane looks; longer than a lane's own lease, so that none delivers behind the end of this."""

_MAKE = "INSERT INTO outbox_lane (destination) VALUES (%s) ON DUPLICATE KEY UPDATE destination = VALUES(destination)"
_LOOK = """
    SELECT owner, lease_until > CURRENT_TIMESTAMP(3) FROM outbox_lane WHERE destination = %s FOR UPDATE
"""  # primary key
_KEEP = (
    "UPDATE outbox_lane SET owner = %s, lease_until = CURRENT_TIMESTAMP(3) + INTERVAL %s SECOND WHERE destination = %s"
)


class Gate:
    """The common lease of a destination's lanes, as one process sees it."""

    def __init__(self, database: Database, destination: str) -> None:
        self._db = database
        self._destination = destination
        self._until = -math.inf
        self._renewing = asyncio.Lock()

    @retried(idempotent=True)
    async def prepare(self) -> None:
        """Make its row if it is missing."""
        async with self._db.transaction() as tx:
            await tx.execute(_MAKE, (self._destination,))

    async def is_ours(self) -> bool:
        """Whether lanes may deliver, for as long as one's own lease lasts. Asks the database every 15 s at most."""
        async with self._renewing:
            return self._until - time.monotonic() > ENOUGH_S or await self._renew()

    @retried(idempotent=True)
    async def _renew(self) -> bool:
        began = time.monotonic()
        async with self._db.transaction() as tx:
            owner, alive = await tx.one(_LOOK, (self._destination,))
            if owner is not None and owner != TOGETHER.bytes and alive:
                return False
            await tx.execute(_KEEP, (TOGETHER, KEPT_S, self._destination))
        self._until = began + KEPT_S
        return True
