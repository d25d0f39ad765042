"""Facts about goals as `firewalker.event.v1` messages in the outbox: how the other services learn of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.ids import EventId, new_uuid7_at
from firewalker.runtime.mysql import Transaction
from firewalker.runtime.outbox import Outbox, OutboxEvent
from firewalker.step.domain.goal import GoalReached, GoalSet

USER: Final = "user"
"""Profiles show the goal."""

NOTIFICATION: Final = "notification"
"""The walker is congratulated, and friends hear of it."""


class GoalFacts:
    """Writes facts into the outbox in the transaction of their change."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def append_set(self, tx: Transaction, facts: Sequence[GoalSet]) -> None:
        """Tell the user service."""
        events = [_event("GoalSet", fact.at, fact.user_id, goal_set=_goal_set(fact)) for fact in facts]
        await self._outbox.append(tx, events, to=(USER,))

    async def append_reached(self, tx: Transaction, facts: Sequence[GoalReached]) -> None:
        """Tell the notification service."""
        events = [
            _event("GoalReached", fact.at, UUID(bytes=fact.user_id), goal_reached=_goal_reached(fact)) for fact in facts
        ]
        await self._outbox.append(tx, events, to=(NOTIFICATION,))


def _event(kind: str, at: datetime, walker: UUID, **fact: Any) -> OutboxEvent:
    event_id = EventId(new_uuid7_at(at))
    event = pb.Event(event_id=str(event_id), create_time=at, **fact)
    return OutboxEvent(event_id, kind, bytes(event), at, walker)


def _goal_set(fact: GoalSet) -> pb.GoalSet:
    return pb.GoalSet(
        user_id=str(fact.user_id),
        daily_steps=fact.daily_steps,
        shared=fact.shared,
        first_date=fact.first_date.isoformat(),
    )


def _goal_reached(fact: GoalReached) -> pb.GoalReached:
    walker = pb.Profile(user_id=_text(fact.user_id), nickname=fact.nickname, avatar_url=fact.avatar_url)
    return pb.GoalReached(
        walker=walker,
        date=fact.day.isoformat(),
        daily_steps=fact.daily_steps,
        told_user_ids=[_text(user) for user in fact.told],
    )


def _text(user: bytes) -> str:
    return str(UUID(bytes=user))
