"""GoalService: the caller's goal, read and set."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.step import v1 as pb
from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import CHANGES, READS
from firewalker.step.usecases.goals import GoalKeeper, OwnGoal


class GoalDoor(pb.GoalServiceBase):
    """Goals of the caller."""

    POLICY: ClassVar[Mapping[str, Rule]] = {
        "GetGoal": Rule(Caller.USER, priority=Priority.READ, rate=READS),
        "SetGoal": Rule(Caller.USER, rate=CHANGES),
    }

    def __init__(self, keeper: GoalKeeper) -> None:
        self._keeper = keeper

    async def get_goal(self, message: pb.GetGoalRequest) -> pb.GetGoalResponse:  # noqa: ARG002 - it has no fields
        """The goal as it was last set."""
        return pb.GetGoalResponse(goal=_rendered(await self._keeper.get(principal().user_id)))

    async def set_goal(self, message: pb.SetGoalRequest) -> pb.SetGoalResponse:
        """Set the goal."""
        own = await self._keeper.set(principal().user_id, message.daily_steps, shared=message.shared)
        return pb.SetGoalResponse(goal=_rendered(own))


def _rendered(own: OwnGoal) -> pb.Goal:
    if not own.goals.history:
        return pb.Goal()
    first_date, daily_steps = own.goals.history[-1]
    return pb.Goal(
        daily_steps=daily_steps,
        shared=own.goals.shared,
        first_date=first_date.isoformat(),
        current_daily_steps=own.goals.as_of(own.today),
    )
