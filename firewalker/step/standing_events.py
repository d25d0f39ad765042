"""What this service tells of standings, as `firewalker.event.v1` messages in the outbox: overtakes and results of days."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import EventId, new_uuid7
from firewalker.runtime.mysql import Transaction
from firewalker.runtime.outbox import Outbox, OutboxEvent
from firewalker.step.domain.circle import Person
from firewalker.step.domain.day import to_ms
from firewalker.step.domain.overtake import Overtaken
from firewalker.step.domain.settling import Result

_TO = ("notification",)


class StandingEvents:
    """Writes facts of standings down in the transaction that makes them so."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    async def add_overtaken(self, tx: Transaction, fact: Overtaken, walker: Person) -> None:
        """Somebody was passed, and is to be told by whom."""
        profile = pb.Profile(user_id=walker.text_id, nickname=walker.nickname, avatar_url=walker.avatar_url)
        overtaken = pb.Overtaken(overtaker=profile, overtaken_id=_text(fact.passed), date=fact.day.isoformat())
        await self._append(tx, [(fact.passed, {"overtaken": overtaken})])

    async def add_first_place(self, tx: Transaction, fact: Overtaken) -> None:
        """Somebody took the first place among friends, and is to be told."""
        taken = pb.FirstPlaceTaken(user_id=_text(fact.walker), date=fact.day.isoformat())
        await self._append(tx, [(fact.walker, {"first_place_taken": taken})])

    async def add_results(self, tx: Transaction, results: Sequence[Result]) -> None:
        """Days are over and stand; their walkers are to be told."""
        facts = [
            pb.DayResult(
                user_id=_text(result.user),
                date=result.day.isoformat(),
                steps=result.steps,
                rank=result.rank,
                ranked=result.ranked,
            )
            for result in results
        ]
        told = zip(results, facts, strict=True)
        await self._append(tx, [(result.user, {"day_result": fact}) for result, fact in told])

    async def _append(self, tx: Transaction, facts: Iterable[tuple[bytes, dict[str, Any]]]) -> None:
        """Each with the id of whoever is to be told."""
        now = self._clock.now()
        await self._outbox.append(tx, [_event(receiver, fact, now) for receiver, fact in facts], to=_TO)


def _event(receiver: bytes, fact: dict[str, Any], at: datetime) -> OutboxEvent:
    event_id = EventId(new_uuid7(to_ms(at)))
    (message,) = fact.values()
    event = pb.Event(event_id=str(event_id), create_time=at, **fact)
    return OutboxEvent(event_id, type(message).__name__, bytes(event), at, UUID(bytes=receiver))


def _text(user: bytes) -> str:
    return str(UUID(bytes=user))
