"""The time zones of walkers, kept in memory: the ingest path asks for one with every burst of readings."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo

from firewalker.kernel.days import parse_zone
from firewalker.kernel.ids import UserId
from firewalker.kernel.zone_history import UTC_ZONE, ZoneHistory
from firewalker.runtime.mysql import Database
from firewalker.step.store import walkers

MAX_ZONES = 100_000
"""Most walkers kept, about 20 MB; those asked for longest ago go first."""

KEPT_S = 300.0
"""How long a zone is used without a known change. A zone change takes effect with the next date, so no hurry."""


class Zones:
    """The zones asked for last. *monotonic* measures ages in seconds."""

    def __init__(
        self, database: Database, *, monotonic: Callable[[], float] = time.monotonic, max_zones: int = MAX_ZONES
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._max_zones = max_zones
        self._kept: OrderedDict[bytes, tuple[ZoneHistory, float]] = OrderedDict()
        self._reading: dict[bytes, object] = {}

    async def of(self, user_id: UserId) -> ZoneHistory:
        """The zones that the walker's days follow; UTC while they are not known.

        Raises:
            DatabaseUnavailable, DeadlineExceeded, Overloaded: It had to be read and could not be.
        """
        user = user_id.bytes
        kept = self._kept.get(user)
        now = self._monotonic()
        if kept is not None and now - kept[1] <= KEPT_S:
            self._kept.move_to_end(user)
            return kept[0]
        # What is dropped while it is being read may be from before the change: it is answered, but not kept.
        mark = self._reading[user] = object()
        try:
            async with self._database.reading() as tx:
                first, later = await walkers.find_zones(tx, user_id)
            zones = ZoneHistory(_zone(first), tuple((day, _zone(name)) for day, name in later))
            if self._reading.get(user) is mark:
                self._kept[user] = zones, now
                self._kept.move_to_end(user)
                while len(self._kept) > self._max_zones:
                    self._kept.popitem(last=False)
            return zones
        finally:
            if self._reading.get(user) is mark:
                del self._reading[user]

    def drop(self, users: Iterable[bytes]) -> None:
        """Read the zones of these users (16-byte ids) anew when they are next asked for."""
        for user in users:
            self._reading.pop(user, None)
            self._kept.pop(user, None)

    def drop_all(self) -> None:
        """Read every zone anew: changes may have gone unheard."""
        self._reading.clear()
        self._kept.clear()


def _zone(name: str | None) -> ZoneInfo:
    return (name and parse_zone(name)) or UTC_ZONE
