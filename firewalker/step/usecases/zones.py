"""The time zones of walkers, kept in memory: the ingest path asks for one with every burst of readings."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import date
from zoneinfo import ZoneInfo

from firewalker.kernel.days import parse_zone
from firewalker.kernel.ids import UserId
from firewalker.kernel.zone_history import UTC_ZONE, ZoneHistory
from firewalker.runtime.mysql import Database
from firewalker.step.store import walkers
from firewalker.step.usecases.newcomers import AGAIN_S, Meet, unmet

MAX_ZONES = 100_000
"""Most walkers kept, about 20 MB; those asked for longest ago go first."""

KEPT_S = 300.0
"""How long a zone is used without a known change. A zone change takes effect with the next date, so no hurry."""

_UNKNOWN = ZoneHistory()


class Zones:
    """The zones asked for last. *meet* asks about newcomers; *monotonic* measures ages in seconds."""

    def __init__(
        self,
        database: Database,
        *,
        meet: Meet = unmet,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._meet = meet
        self._monotonic = monotonic
        self._kept: OrderedDict[bytes, tuple[ZoneHistory | None, float]] = OrderedDict()
        self._reading: dict[bytes, object] = {}

    async def of(self, user_id: UserId) -> ZoneHistory:
        """The zones that the walker's days follow; UTC while they are not known.

        Raises:
            DatabaseUnavailable, DeadlineExceeded, Overloaded: It had to be read and could not be.
        """
        return await self.find(user_id) or _UNKNOWN

    async def find(self, user_id: UserId) -> ZoneHistory | None:
        """The zones that the walker's days follow; None while nobody can tell.

        Raises:
            DatabaseUnavailable, DeadlineExceeded, Overloaded: It had to be read and could not be.
        """
        user = user_id.bytes
        kept = self._kept.get(user)
        now = self._monotonic()
        if kept is not None and now <= kept[1]:
            self._kept.move_to_end(user)
            return kept[0]
        # What is dropped while it is being read may be from before the change: it is answered, but not kept.
        mark = self._reading[user] = object()
        try:
            first, later = await self._read(user_id)
            if first is None and await self._meet(user_id):
                mark = self._reading[user] = object()
                first, later = await self._read(user_id)
            zones = None
            if first is not None or later:
                zones = ZoneHistory(_zone(first), tuple((day, _zone(name)) for day, name in later))
            if self._reading.get(user) is mark:
                self._kept[user] = zones, now + (AGAIN_S if first is None else KEPT_S)
                self._kept.move_to_end(user)
                while len(self._kept) > MAX_ZONES:
                    self._kept.popitem(last=False)
            return zones
        finally:
            if self._reading.get(user) is mark:
                del self._reading[user]

    async def _read(self, user_id: UserId) -> tuple[str | None, list[tuple[date, str]]]:
        async with self._database.reading() as tx:
            return await walkers.find_zones(tx, user_id)

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
