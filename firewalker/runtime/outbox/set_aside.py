"""What was set aside: for how long it is kept, and that it tells nothing of people who were deleted since.

A fact that is dropped is one that its receiver never hears: the two services disagree from then on. So it is kept long beyond
every alert about it. Who was deleted is a matter of an hour.
"""

from collections import Counter as Counts
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from firewalker.kernel.clock import Clock
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.personal_data import tombstones

PAGE = 200
"""Facts looked at in one portion."""

DELETION = "UserDeleted"
"""The kind of fact that has a receiver erase somebody. It tells an id and nothing else, and is kept until it is delivered."""

_PAGE = """
    SELECT position, kind, payload, create_time FROM outbox
    WHERE destination = %s AND set_aside = 1 AND position > %s ORDER BY position LIMIT %s
"""  # outbox_next
_REWRITE = "UPDATE outbox SET payload = %s WHERE position = %s AND set_aside = 1"  # primary key
_DROP = "DELETE FROM outbox WHERE set_aside = 1 AND position IN ({places})"  # primary key

_DROPPED = Counter(
    "firewalker_outbox_dropped_total", "Events that were set aside and dropped.", ["destination", "why"],
    registry=REGISTRY,
)  # fmt: skip
_OLDEST = Gauge(
    "firewalker_outbox_set_aside_oldest_seconds", "Age of the oldest event given up.", ["destination"],
    registry=REGISTRY,
)  # fmt: skip
_log = structlog.get_logger(__name__)


class People(Protocol):
    """Reads whom a serialised fact is about, which is no business of the outbox (`runtime.services.told_people`)."""

    def named(self, payload: bytes) -> set[UUID]:
        """The ids in it, those of users among them."""

    def without(self, payload: bytes, gone: Collection[UUID]) -> bytes | None:
        """The fact without those who would only hear of it; None if it is about one of the *gone*."""


class _Row(NamedTuple):
    position: int
    kind: str
    payload: bytes
    create_time: datetime


class SetAside:
    """The facts that were set aside for *destinations*; `work` is a chore's."""

    def __init__(
        self, database: Database, destinations: Collection[str], people: People, clock: Clock, *, kept: timedelta
    ) -> None:
        """*kept*: how old a fact becomes."""
        self._db = database
        self._people = people
        self._clock = clock
        self._kept = kept
        self._after = dict.fromkeys(destinations, 0)
        self._oldest: dict[str, datetime] = {}
        for destination in destinations:
            _OLDEST.labels(destination)
            for why in ("old", "erased"):
                _DROPPED.labels(destination, why)

    async def work(self) -> int:
        """Look through some of it, and tell how much: 0 once all of it was looked through."""
        looked = 0
        for destination, after in self._after.items():
            rows = await self._page(destination, after)
            if not rows:
                continue
            looked += len(rows)
            await self._sift(destination, rows)
            self._after[destination] = rows[-1].position
            first = min(row.create_time for row in rows)
            self._oldest[destination] = min(first, self._oldest.get(destination, first))
        if not looked:
            now = self._clock.now()
            for destination in self._after:
                _OLDEST.labels(destination).set((now - self._oldest.get(destination, now)).total_seconds())
            self._after, self._oldest = dict.fromkeys(self._after, 0), {}
        return looked

    async def _page(self, destination: str, after: int) -> list[_Row]:
        async with self._db.reading() as tx:
            return [_Row(*row) for row in await tx.all(_PAGE, (destination, after, PAGE))]

    async def _sift(self, destination: str, rows: Sequence[_Row]) -> None:
        """Drop what is too old, and what is about somebody who was deleted; leave those out who would only hear of it."""
        rows = [row for row in rows if row.kind != DELETION]
        before = self._clock.now() - self._kept
        old = [row for row in rows if row.create_time < before]
        young = [(row, self._people.named(row.payload)) for row in rows if row.create_time >= before]
        gone = await self._deleted({user for _, named in young for user in named})
        left = [(row, self._people.without(row.payload, gone)) for row, named in young if named & gone]
        erased = [row for row, payload in left if payload is None]
        if not old and not left:
            return
        await self._write([*old, *erased], [(row, payload) for row, payload in left if payload is not None])
        _DROPPED.labels(destination, "old").inc(len(old))
        _DROPPED.labels(destination, "erased").inc(len(erased))
        for kind, facts in Counts(row.kind for row in old).items():
            _log.error("events_dropped", destination=destination, kind=kind, facts=facts, before=before.isoformat())
        if erased:
            _log.info("events_of_deleted_dropped", destination=destination, facts=len(erased))

    async def _deleted(self, users: Collection[UUID]) -> set[UUID]:
        if not users:
            return set()
        async with self._db.reading() as tx:
            return await tombstones.list_among(tx, users)

    @retried(idempotent=True)
    async def _write(self, dropped: Sequence[_Row], rewritten: Sequence[tuple[_Row, bytes]]) -> None:
        async with self._db.transaction() as tx:
            if dropped:
                places = ",".join(["%s"] * len(dropped))
                await tx.execute(_DROP.format(places=places), [row.position for row in dropped])
            for row, payload in rewritten:
                await tx.execute(_REWRITE, (payload, row.position))
