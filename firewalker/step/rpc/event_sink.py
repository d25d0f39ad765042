"""EventSinkService: what other services tell becomes projections. Internal port only."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, Event, EventSinkServiceBase
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.services.deletions import deleted_users
from firewalker.step.domain.facts import Fact
from firewalker.step.rpc.facts import MalformedEvent, read
from firewalker.step.usecases.projections import Projections

MAX_EVENTS = 100
"""Events of one batch (proto)."""


class EventSinkDoor(EventSinkServiceBase):
    """Takes in what `rpc/facts` can read; acknowledges everything else."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"Deliver": Rule(Caller.SERVICE, max_message_bytes=1_048_576)}

    def __init__(self, projections: Projections, erasure: Erasure) -> None:
        self._projections = projections
        self._erasure = erasure

    async def deliver(self, message: DeliverRequest) -> DeliverResponse:
        """See the proto."""
        await self._projections.take(_facts(message.events))
        await self._erasure.take(deleted_users(message.events))
        return DeliverResponse()


def _facts(events: Sequence[Event]) -> list[Fact]:
    if len(events) > MAX_EVENTS:
        raise InvalidRequest(violations=[Violation("events", f"must be at most {MAX_EVENTS}")])
    facts, violations = [], []
    for position, event in enumerate(events):
        try:
            fact = read(event)
        except MalformedEvent as error:
            violations.append(Violation(f"events[{position}].{error}", "is missing or malformed"))
        else:
            if fact is not None:
                facts.append(fact)
    if violations:
        raise InvalidRequest(violations=violations)
    return facts
