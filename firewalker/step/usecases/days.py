"""Owners reading their own days. Correcting them is in `corrections`; what others see of them is boards' matter."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import TypeAlias

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, Transaction
from firewalker.step.domain.day import UserTotal, state
from firewalker.step.domain.faults import DayNotFound
from firewalker.step.domain.history import DeviceCounts, Merge, OwnDay
from firewalker.step.domain.suspicion import UNSUSPECTED
from firewalker.step.store import days
from firewalker.step.store.keys import UserDate
from firewalker.step.usecases.zones import Zones

GoalsAsOf: TypeAlias = Callable[[UserId, Sequence[date]], Awaitable[Mapping[date, int]]]
"""Tells the goal that a user had on each of some dates; dates without one are left out."""


class Days:
    """Puts a user's days together from what is stored."""

    def __init__(self, database: Database, zones: Zones, clock: Clock, *, goals: GoalsAsOf | None = None) -> None:
        """Without *goals*, days have none."""
        self._database = database
        self._zones = zones
        self._clock = clock
        self._goals = goals

    async def get(self, user: UserId, day: date) -> OwnDay:
        """The user's *day*.

        Raises:
            DayNotFound: Nothing was counted on it.
            DatabaseUnavailable, DeadlineExceeded, Overloaded: It could not be read.
        """
        found = await self.list(user, day, day)
        if not found:
            raise DayNotFound
        return found[0]

    async def list(self, user: UserId, start: date, end: date) -> list[OwnDay]:
        """The user's days from *start* to *end*, both included, the oldest first; without a reading there is none.

        Raises:
            DatabaseUnavailable, DeadlineExceeded, Overloaded: They could not be read.
        """

        async def read(
            tx: Transaction,
        ) -> tuple[dict[date, dict[str, DeviceCounts]], dict[date, Merge], dict[UserDate, UserTotal]]:
            stored = await days.list_days(tx, user.bytes, start, end)
            merged = {day: Merge.of(devices) for day, devices in sorted(stored.items())}
            # What is held is so for standings, which late readings are nothing to.
            large = [(user.bytes, day) for day, merge in merged.items() if merge.total > UNSUSPECTED]
            return stored, merged, await days.find_totals(tx, large)

        stored, merged, standings = await self._database.fresh(read)
        goals = {} if self._goals is None else await self._goals(user, list(merged))
        zones = await self._zones.of(user)
        now = self._clock.now()
        found = []
        for day, merge in merged.items():
            standing = standings.get((user.bytes, day))
            revision = max(device.revision for device in stored[day].values())
            found.append(
                OwnDay(
                    day,
                    merge,
                    state(day, zones.on(day), now),
                    stored[day],
                    revision if standing is None else max(revision, standing.revision),
                    under_review=standing is not None and standing.held,
                    goal=goals.get(day),
                )
            )
        return found
