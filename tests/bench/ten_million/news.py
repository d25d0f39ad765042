"""What the step service tells of the day, in its own events: overtakes within their limits, goals that were reached."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import date, datetime
from typing import Any, cast

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import EventId
from firewalker.runtime.mysql import Transaction
from firewalker.runtime.outbox import Outbox, OutboxEvent
from firewalker.step.domain.circle import Person
from firewalker.step.domain.goal import GoalReached
from firewalker.step.domain.overtake import MOST_A_DAY, PAIR_PAUSE, Overtaken
from firewalker.step.events import OutboxFacts

_NO_TRANSACTION = cast("Transaction", None)


class _Kept(Outbox):
    """Keeps in memory what would be written down."""

    def __init__(self) -> None:
        super().__init__("user", "notification")
        self.events: list[OutboxEvent] = []

    async def append(self, tx: Transaction, events: Sequence[Any], *, to: Any = None) -> None:  # noqa: ARG002 - see Outbox
        self.events += events


class News:
    """Stands in for `usecases.overtakings`, with its limits; their notes are in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._outbox = _Kept()
        self._facts = OutboxFacts(self._outbox, clock)
        self._pairs: dict[tuple[bytes, bytes], datetime] = {}
        self._told: dict[tuple[bytes, date], int] = {}
        self.walker_of: dict[EventId, bytes] = {}
        """Whose steps each event is about."""

    @property
    def events(self) -> list[OutboxEvent]:
        """All events, as they came."""
        return self._outbox.events

    async def tell(self, fact: Overtaken, walker: Person) -> bool:
        """As `Overtakings.tell`."""
        told = self._may_be_told(fact, fact.passed)
        if told:
            await self._facts.add_overtaken(_NO_TRANSACTION, fact, walker)
            self.walker_of[self.events[-1].event_id] = fact.walker
        if fact.took_first_place and self._may_be_told(fact, fact.walker):
            await self._facts.add_first_place(_NO_TRANSACTION, fact)
            self.walker_of[self.events[-1].event_id] = fact.walker
            told = True
        return told

    def reached(self, fact: GoalReached) -> None:
        """A goal was reached."""
        _at_once(self._facts.add_goal_reached(_NO_TRANSACTION, fact))
        self.walker_of[self.events[-1].event_id] = fact.user_id

    def _may_be_told(self, fact: Overtaken, receiver: bytes) -> bool:
        now = self._clock.now()
        pair = (min(fact.walker, receiver), max(fact.walker, receiver))
        last, day = self._pairs.get(pair), (receiver, fact.day)
        if (last is not None and now - last < PAIR_PAUSE) or self._told.get(day, 0) >= MOST_A_DAY:
            return False
        self._pairs[pair] = now
        self._told[day] = self._told.get(day, 0) + 1
        return True


def _at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run what waits for nothing."""
    assert asyncio.iscoroutine(work)
    try:
        work.send(None)
    except StopIteration:
        return
    raise RuntimeError("it waits for something")
