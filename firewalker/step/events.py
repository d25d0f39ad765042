"""What this service tells the others, as `firewalker.event.v1` messages in the outbox: goals, overtakes, results of days.

Thousands a second when there are many walkers: by the fast codec, a tenth of what betterproto2 would take.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import EventId, new_uuid7_at
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.mysql import Transaction
from firewalker.runtime.outbox import Outbox, OutboxEvent
from firewalker.step.domain.circle import Person
from firewalker.step.domain.goal import GoalReached, GoalSet
from firewalker.step.domain.overtake import Overtaken
from firewalker.step.domain.settling import Result

USER: Final = "user"
"""Profiles show the goal."""

NOTIFICATION: Final = "notification"
"""Walkers are told of everything else, and friends of goals that were reached."""

_Event = message_class("firewalker.event.v1.Event")


class OutboxFacts:
    """Writes facts into the outbox in the transaction that makes them so."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    async def add_goal_set(self, tx: Transaction, fact: GoalSet) -> None:
        """Tell that somebody wants something else now."""
        goal = {
            "user_id": str(fact.user_id),
            "daily_steps": fact.daily_steps,
            "shared": fact.shared,
            "first_date": fact.first_date.isoformat(),
        }
        event = _event("GoalSet", fact.user_id.bytes, {"goal_set": goal}, fact.at)
        await self._outbox.append(tx, [event], to=(USER,))

    async def add_goal_reached(self, tx: Transaction, fact: GoalReached) -> None:
        """Tell the walker, and friends who may know of it."""
        reached = {
            "walker": _profile(_text(fact.user_id), fact.nickname, fact.avatar_url),
            "date": fact.day.isoformat(),
            "daily_steps": fact.daily_steps,
            "told_user_ids": [_text(user) for user in fact.told],
        }
        event = _event("GoalReached", fact.user_id, {"goal_reached": reached}, fact.at)
        await self._outbox.append(tx, [event], to=(NOTIFICATION,))

    async def add_overtaken(self, tx: Transaction, fact: Overtaken, walker: Person) -> None:
        """Tell who was passed, and by whom."""
        overtaken = {
            "overtaker": _profile(walker.text_id, walker.nickname, walker.avatar_url),
            "overtaken_id": _text(fact.passed),
            "date": fact.day.isoformat(),
        }
        event = _event("Overtaken", fact.passed, {"overtaken": overtaken}, self._clock.now())
        await self._outbox.append(tx, [event], to=(NOTIFICATION,))

    async def add_first_place(self, tx: Transaction, fact: Overtaken) -> None:
        """Tell who took the first place among friends."""
        taken = {"user_id": _text(fact.walker), "date": fact.day.isoformat()}
        event = _event("FirstPlaceTaken", fact.walker, {"first_place_taken": taken}, self._clock.now())
        await self._outbox.append(tx, [event], to=(NOTIFICATION,))

    async def add_results(self, tx: Transaction, results: Sequence[Result]) -> None:
        """Tell walkers how days ended that are over and stand."""
        at = self._clock.now()
        events = [_event("DayResult", result.user, {"day_result": _result(result)}, at) for result in results]
        await self._outbox.append(tx, events, to=(NOTIFICATION,))


def _event(kind: str, about: bytes, fact: dict[str, Any], at: datetime) -> OutboxEvent:
    """*fact* is the field in `Event`, whose message is called *kind*."""
    event_id = EventId(new_uuid7_at(at))
    event = _Event(event_id=str(event_id), create_time=at, **fact).SerializeToString()
    return OutboxEvent(event_id, kind, event, at, UUID(bytes=about))


def _result(result: Result) -> dict[str, Any]:
    return {
        "user_id": _text(result.user),
        "date": result.day.isoformat(),
        "steps": result.steps,
        "rank": result.rank,
        "ranked": result.ranked,
    }


def _profile(user_id: str, nickname: str, avatar_url: str) -> dict[str, str]:
    return {"user_id": user_id, "nickname": nickname, "avatar_url": avatar_url}


def _text(user: bytes) -> str:
    return str(UUID(bytes=user))
