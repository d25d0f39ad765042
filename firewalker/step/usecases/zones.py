"""The time zones of walkers, kept in memory: the ingest path asks for one with every burst of readings."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple
from zoneinfo import ZoneInfo

from firewalker.kernel.days import parse_zone
from firewalker.kernel.ids import UserId
from firewalker.kernel.zone_history import UTC_ZONE, ZoneHistory
from firewalker.runtime.mysql import Database
from firewalker.step.store import walkers
from firewalker.step.usecases.kept import Kept
from firewalker.step.usecases.newcomers import AGAIN_S, Meet, unmet

MAX_ZONES = 100_000
"""Most walkers kept, about 20 MB; those asked for longest ago go first."""

KEPT_S = 300.0
"""How long a zone is used without a known change. A zone change takes effect with the next date, so no hurry."""

_UNKNOWN = ZoneHistory()


class _Read(NamedTuple):
    zones: ZoneHistory | None
    known: bool
    """Whether it is known where the walker began: a move may have been told before."""


class Zones:
    """The zones asked for last. *meet* asks about newcomers; *monotonic* measures ages in seconds."""

    def __init__(
        self, database: Database, *, meet: Meet = unmet, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._kept = Kept(
            self._read,
            known=lambda read: read.known,
            meet=meet,
            trusted_s=lambda read: KEPT_S if read.known else AGAIN_S,
            most=MAX_ZONES,
            monotonic=monotonic,
        )

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
        return (await self._kept.of(user_id)).zones

    async def _read(self, user_id: UserId) -> _Read:
        async with self._database.reading() as tx:
            first, later = await walkers.find_zones(tx, user_id)
        if first is None and not later:
            return _Read(None, known=False)
        zones = ZoneHistory(_zone(first), tuple((day, _zone(name)) for day, name in later))
        return _Read(zones, known=first is not None)

    def drop(self, users: Iterable[bytes]) -> None:
        """Read the zones of these users (16-byte ids) anew when they are next asked for."""
        self._kept.drop(users)

    def drop_all(self) -> None:
        """Read every zone anew: changes may have gone unheard."""
        self._kept.drop_all()


def _zone(name: str | None) -> ZoneInfo:
    return (name and parse_zone(name)) or UTC_ZONE
