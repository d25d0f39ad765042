"""EventSinkService: what other services tell becomes projections. Internal port only."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, EventSinkServiceBase
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.services.batches import deleted_users, facts_of
from firewalker.step.rpc.facts import read
from firewalker.step.usecases.projections import Projections


class EventSinkDoor(EventSinkServiceBase):
    """Takes in what `rpc/facts` can read; acknowledges everything else."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"Deliver": Rule(Caller.SERVICE, max_message_bytes=1_048_576)}

    def __init__(self, projections: Projections, erasure: Erasure) -> None:
        self._projections = projections
        self._erasure = erasure

    async def deliver(self, message: DeliverRequest) -> DeliverResponse:
        """See the proto."""
        await self._projections.take(facts_of(message.events, read))
        await self._erasure.take(deleted_users(message.events))
        return DeliverResponse()
