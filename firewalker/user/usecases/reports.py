"""People looking at what users told of each other, and saying that it was dealt with. It is an operator's work, by `firewalker reports`."""

from collections.abc import Sequence
from uuid import UUID

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, retried
from firewalker.user.domain.report import Kept, Reported
from firewalker.user.store import reports


class Reports:
    """Reports, as far as operators may act on them. What was reported stays as it was; closing adds to it, once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list_reported(self, limit: int) -> Sequence[Reported]:
        """Users of whom there are open reports, who was reported last first."""
        async with self._database.reading() as reading:
            return await reports.list_reported(reading, limit)

    async def list_of(self, user: UserId, limit: int) -> Sequence[Kept]:
        """All reports of *user*, open and closed, the newest first."""
        async with self._database.reading() as reading:
            return await reports.list_of(reading, user, limit)

    @retried(idempotent=True)
    async def close(self, report_id: UUID, operator: str) -> bool | None:
        """Note that *operator* has dealt with a report; False if somebody has before, whose note stays; None if there is none."""
        async with self._database.transaction() as tx:
            return await reports.close(tx, report_id, operator, moment(self._clock))

    @retried(idempotent=True)
    async def close_of(self, user: UserId, operator: str) -> int:
        """Note the same of all open reports of *user*, and tell how many they are."""
        async with self._database.transaction() as tx:
            return await reports.close_of(tx, user, operator, moment(self._clock))
