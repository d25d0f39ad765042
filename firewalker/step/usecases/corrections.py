"""Owners correcting their days: the only way down."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, retried
from firewalker.step.domain import correction
from firewalker.step.domain.correction import MOST_CORRECTIONS
from firewalker.step.domain.day import State, state, to_ms
from firewalker.step.domain.faults import CorrectionLimitReached, DayNotFound
from firewalker.step.ingest import Ingest
from firewalker.step.store import corrections, days, reviews
from firewalker.step.store.keys import UserDate
from firewalker.step.usecases.zones import Zones


class Corrected(NamedTuple):
    """What a device has counted in truth, as its owner says."""

    device_id: str
    hours: Sequence[int]
    """24 of them."""
    reason: str


class Corrections:
    """Corrects days beside readings that come in: in this process, and in others that do not know of it yet.

    A group commit merges with what its process knows. MySQL changes nothing in a row of another revision, and the group,
    which reads the revision back with the totals, then merges again; so neither waits for the other.
    """

    def __init__(self, database: Database, ingest: Ingest, zones: Zones, clock: Clock) -> None:
        self._database = database
        self._ingest = ingest
        self._zones = zones
        self._clock = clock

    async def correct(self, user: UserId, day: date, truth: Corrected) -> None:
        """Take the device's *day* for *truth* from now on. Durable when this returns; boards hear of it at once.

        Raises:
            DayNotFound: The device has no reading of that date.
            CorrectionLimitReached: The date was corrected too often.
            Contention, DatabaseUnavailable, DeadlineExceeded, Overloaded: Not corrected, or not known to be.
        """
        zone = (await self._zones.of(user)).on(day)
        try:
            await self._store((user.bytes, day), truth, zone, set())
        finally:
            self._ingest.corrected(user.bytes, day)  # also where the outcome is unknown, or nobody waits any more

    @retried(idempotent=True)
    async def _store(self, key: UserDate, truth: Corrected, zone: ZoneInfo, tried: set[int]) -> None:
        """Commit. Once more, after an unknown outcome, is another entry in the ledger that says the same.

        *tried* goes from run to run: the entry that was the last one allowed may be there by then.
        """
        user, day = key
        async with self._database.transaction() as tx:
            revision = await days.lock_date(tx, user, day)
            before = (await days.find_devices(tx, [key])).get(key, {}).get(truth.device_id)
            if before is None:
                raise DayNotFound
            review = (await reviews.find(tx, [key])).get(key)
            revision = max(revision, review.revision if review else 0) + 1
            if revision > MOST_CORRECTIONS and revision - 1 not in tried:
                raise CorrectionLimitReached
            tried.add(revision)
            last = (await corrections.find_latest(tx, [key])).get((*key, truth.device_id))
            now = self._clock.now()
            over = correction.over(day, zone, now)
            entry, counts = correction.correct(before.counts, last and last.correction, truth.hours, over)
            after = before._replace(counts=counts, revision=revision)
            late = state(day, zone, now) is State.FINAL
            await days.put_corrected(tx, (*key, truth.device_id), after, late=late, at_ms=to_ms(now))
            await corrections.add(tx, (*key, truth.device_id), revision, entry, reason=truth.reason, at=now)
