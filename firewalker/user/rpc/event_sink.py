"""EventSinkService: what other services tell this one. Internal port only."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, Event, EventSinkServiceBase
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import EventId, UserId, parse_uuid
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.user.usecases.goals import GoalNews, Goals

MAX_EVENTS = 100
"""Events of one batch (proto)."""


class EventSinkDoor(EventSinkServiceBase):
    """Takes in goals; acknowledges everything else."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"Deliver": Rule(Caller.SERVICE, max_message_bytes=1_048_576)}

    def __init__(self, goals: Goals) -> None:
        self._goals = goals

    async def deliver(self, message: DeliverRequest) -> DeliverResponse:
        """See the proto."""
        await self._goals.take(_goals(message.events))
        return DeliverResponse()


def _goals(events: Sequence[Event]) -> list[GoalNews]:
    if len(events) > MAX_EVENTS:
        raise InvalidRequest(violations=[Violation("events", f"must be at most {MAX_EVENTS}")])
    goals, violations = [], []
    for position, event in enumerate(events):
        goal = event.goal_set
        if goal is None:
            continue
        event_id, user_id = parse_uuid(event.event_id), parse_uuid(goal.user_id)
        if event_id is None or user_id is None or event.create_time is None or goal.daily_steps <= 0:
            violations.append(Violation(f"events[{position}].goal_set", "is malformed"))
            continue
        goals.append(GoalNews(EventId(event_id), UserId(user_id), goal.daily_steps, goal.shared, event.create_time))
    if violations:
        raise InvalidRequest(violations=violations)
    return goals
