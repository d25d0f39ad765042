"""Telling that somebody was passed: within the limits, and exactly once, whichever process found out."""

from datetime import UTC, timedelta

from firewalker.kernel.clock import Clock
from firewalker.runtime.mysql import Database, retried
from firewalker.step.domain.circle import Person
from firewalker.step.domain.overtake import PAIR_PAUSE, Overtaken
from firewalker.step.store import overtakes
from firewalker.step.usecases.ports import Facts

_KEPT_DAYS = timedelta(days=3)
"""Longer than a date is today anywhere on Earth."""


class _TooMuch(Exception):
    """It was told enough."""


class Overtakings:
    """Keeps the limits of the contract in MySQL, so that they hold for all processes together."""

    def __init__(self, database: Database, facts: Facts, clock: Clock) -> None:
        self._database = database
        self._facts = facts
        self._clock = clock

    async def tell(self, fact: Overtaken, walker: Person) -> bool:
        """Put the news into the outbox; False if neither may be told now.

        Raises:
            DatabaseUnavailable, Contention, Overloaded: Nothing was told, or it is not known.
        """
        told = await self._once(fact, walker, first_place=False)
        if fact.took_first_place:
            told = await self._once(fact, walker, first_place=True) or told
        return told

    async def forget(self) -> int:
        """Remove notes that decide nothing any more, some of them, and tell how many: 0 when none is left."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            return await overtakes.forget(tx, now - PAIR_PAUSE, now.astimezone(UTC).date() - _KEPT_DAYS)

    async def _once(self, fact: Overtaken, walker: Person, *, first_place: bool) -> bool:
        try:
            await self._store(fact, walker, first_place=first_place)
        except _TooMuch:
            return False
        return True

    @retried(idempotent=True)
    async def _store(self, fact: Overtaken, walker: Person, *, first_place: bool) -> None:
        """Commit. After an unknown outcome the notes themselves tell whether it was done."""
        receiver = fact.walker if first_place else fact.passed
        async with self._database.transaction() as tx:
            if not await overtakes.note_pair(tx, fact.walker, receiver, self._clock.now()):
                raise _TooMuch
            if not await overtakes.note_receiver(tx, receiver, fact.day):
                raise _TooMuch
            if first_place:
                await self._facts.add_first_place(tx, fact)
            else:
                await self._facts.add_overtaken(tx, fact, walker)
