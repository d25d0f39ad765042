"""EventSinkService: what other services tell this one. Internal port only."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, Event, EventSinkServiceBase
from firewalker.kernel.ids import EventId, UserId, parse_uuid
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.services.batches import MalformedEvent, facts_of
from firewalker.user.usecases.goals import GoalNews, Goals


class EventSinkDoor(EventSinkServiceBase):
    """Takes in goals; acknowledges everything else."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"Deliver": Rule(Caller.SERVICE, max_message_bytes=1_048_576)}

    def __init__(self, goals: Goals) -> None:
        self._goals = goals

    async def deliver(self, message: DeliverRequest) -> DeliverResponse:
        """See the proto."""
        await self._goals.take(facts_of(message.events, _goal))
        return DeliverResponse()


def _goal(event: Event) -> GoalNews | None:
    goal = event.goal_set
    if goal is None:
        return None
    event_id, user_id = parse_uuid(event.event_id), parse_uuid(goal.user_id)
    if event_id is None or user_id is None or event.create_time is None or goal.daily_steps <= 0:
        raise MalformedEvent("goal_set")
    return GoalNews(EventId(event_id), UserId(user_id), goal.daily_steps, goal.shared, event.create_time)
