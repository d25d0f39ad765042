"""Looking at an outbox from outside: what `firewalker outbox` and `firewalker doctor` show."""

from datetime import datetime
from typing import NamedTuple

from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox.lane import Counts, Lane

_HAS_OUTBOX = """
    SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'outbox_lane'
"""
_DESTINATIONS = "SELECT DISTINCT SUBSTRING_INDEX(destination, '/', 1) FROM outbox_lane ORDER BY 1"  # lane.OF
_SET_ASIDE = """
    SELECT kind, last_error, COUNT(*), MIN(create_time) FROM outbox WHERE destination = %s AND set_aside = 1
    GROUP BY kind, last_error ORDER BY COUNT(*) DESC, kind LIMIT 10
"""  # outbox_next


class Reason(NamedTuple):
    """Why facts of a kind were set aside, how many, and of when the first is."""

    kind: str
    error: str
    facts: int
    oldest: datetime


class LaneState(NamedTuple):
    """How a destination stands, and the ten most frequent reasons why facts for it were set aside."""

    destination: str
    counts: Counts
    reasons: tuple[Reason, ...]


async def look(url: str) -> list[LaneState]:
    """The lanes of the outbox in the database of *url*; none if it has no outbox.

    Raises:
        DatabaseUnavailable: It does not answer.
    """
    async with Database(url, pool_size=1, name="inspection") as database:
        states = []
        for destination in await _destinations(database):
            counts = await Lane(database, destination).counts()
            async with database.reading() as tx:
                reasons = await tx.all(_SET_ASIDE, (destination,)) if counts.set_aside else ()
            found = tuple(Reason(kind, error, int(count), oldest) for kind, error, count, oldest in reasons)
            states.append(LaneState(destination, counts, found))
        return states


async def replay(url: str, destination: str | None = None) -> dict[str, int]:
    """Put back what was set aside for *destination*, or for all; how much, by destination. Relays find it in a second.

    Raises:
        LookupError: Nothing goes to such a destination.
        DatabaseUnavailable: It does not answer.
    """
    async with Database(url, pool_size=1, name="inspection") as database:
        known = await _destinations(database)
        if destination is not None and destination not in known:
            raise LookupError(destination)
        return {name: await Lane(database, name).replay() for name in known if destination in (None, name)}


async def _destinations(database: Database) -> list[str]:
    async with database.reading() as tx:
        if not (await tx.one(_HAS_OUTBOX))[0]:
            return []
        return [destination for (destination,) in await tx.all(_DESTINATIONS)]
