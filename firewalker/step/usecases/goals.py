"""The caller's goal: reading and setting it. Noticing that one is reached is `reached_goals`' work."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, retried
from firewalker.step.domain.goal import Goals, GoalSet
from firewalker.step.store import friends
from firewalker.step.store import goals as store
from firewalker.step.usecases.ports import Facts
from firewalker.step.usecases.projections import Announce
from firewalker.step.usecases.zones import Zones


@dataclass(frozen=True, slots=True)
class OwnGoal:
    """A walker's goals, and which of them counts *today*."""

    goals: Goals
    today: date


class GoalKeeper:
    """Keeps what walkers want. *announce* is called after each setting: friends' boards show whether a goal is reached."""

    def __init__(self, database: Database, zones: Zones, facts: Facts, announce: Announce, clock: Clock) -> None:
        self._database = database
        self._zones = zones
        self._facts = facts
        self._announce = announce
        self._clock = clock

    async def get(self, caller: UserId) -> OwnGoal:
        """The caller's goals; none if they never set one."""
        today = (await self._zones.of(caller)).today(self._clock.now())
        async with self._database.reading() as tx:
            found = await store.find_of(tx, [caller.bytes], since=today)
        return OwnGoal(found.get(caller.bytes, Goals()), today)

    async def as_of(self, user: UserId, days: Sequence[date]) -> dict[date, int]:
        """The steps that *user* wanted on each of *days*; dates without a goal are left out."""
        if not days:
            return {}
        async with self._database.reading() as tx:
            goals = (await store.find_of(tx, [user.bytes], since=min(days))).get(user.bytes, Goals())
        return {day: wanted for day in days if (wanted := goals.as_of(day))}

    async def set(self, caller: UserId, daily_steps: int, *, shared: bool) -> OwnGoal:
        """Set the caller's goal: from their next date on, the first one from today on. Committed when this returns.

        Whether it is shared holds at once, for all dates. The same again changes nothing.

        Raises:
            GoalOutOfRange: Not 100 to 100 000 steps.
            Contention, DatabaseUnavailable: Nothing was changed, or it is not known; repeating is safe.
        """
        today = (await self._zones.of(caller)).today(self._clock.now())
        goals = await self._set(caller, daily_steps, shared=shared, today=today)
        # Also where nothing is different: what changed it may have been committed without being announced.
        await self._announce([caller.bytes])
        async with self._database.reading() as tx:
            await self._announce(await friends.list_friends_of(tx, [caller]), at_once=False)
        return OwnGoal(goals, today)

    @retried(idempotent=True)
    async def _set(self, caller: UserId, daily_steps: int, *, shared: bool, today: date) -> Goals:
        async with self._database.transaction() as tx:
            before = await store.lock(tx, caller)
            after = before.changed(daily_steps, shared=shared, today=today)
            if after == before:
                return before
            await store.save(tx, caller, before, after)
            first_date, steps = after.history[-1]
            await self._facts.add_goal_set(tx, GoalSet(caller, steps, shared, first_date, self._clock.now()))
        return after
