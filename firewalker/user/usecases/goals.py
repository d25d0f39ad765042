"""Goals, as the step service tells them: profiles and friend lists show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from firewalker.kernel.ids import EventId, UserId
from firewalker.runtime.inbox import first_time, forget
from firewalker.runtime.mysql import Database, retried
from firewalker.user.store.users import Users


@dataclass(frozen=True, slots=True)
class GoalNews:
    """A user set a goal at the instant *told*."""

    event_id: EventId
    user_id: UserId
    daily_steps: int
    shared: bool
    told: datetime


class Goals:
    """The projection of goals."""

    def __init__(self, *, database: Database, users: Users) -> None:
        self._database = database
        self._users = users

    @retried(idempotent=True)
    async def take(self, news: Sequence[GoalNews]) -> None:
        """Take *news* in, all or none; durable when this returns. Of a user's goals the one told last stands."""
        async with self._database.transaction() as tx:
            new = await first_time(tx, [one.event_id for one in news])
            # In the order of the primary key, because unordered rows deadlock with other calls.
            for one in sorted(news, key=lambda one: (one.user_id, one.told)):
                if one.event_id in new:
                    await self._users.save_goal(tx, one.user_id, one.daily_steps, one.told, shared=one.shared)

    @retried(idempotent=True)
    async def forget_deliveries(self, before: datetime) -> int:
        """Forget which events were taken in before that time, some of them, and tell how many: 0 when none is left."""
        async with self._database.transaction() as tx:
            return await forget(tx, before)
