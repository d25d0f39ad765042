"""EventSinkService: what other services tell becomes notifications, and takes them back. Internal port only."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, Event, EventSinkServiceBase
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.notification.domain.facts import Fact
from firewalker.notification.rpc.event_meanings import Malformed, fact_of
from firewalker.notification.usecases.news import News
from firewalker.runtime.grpc.deletions import deleted_users
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.personal_data import Erasure

MAX_EVENTS = 100
"""Events of one batch (proto)."""


class EventSinkDoor(EventSinkServiceBase):
    """Takes events in. An event's id becomes that of its notifications."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"Deliver": Rule(Caller.SERVICE, max_message_bytes=1_048_576)}

    def __init__(self, news: News, erasure: Erasure) -> None:
        self._news = news
        self._erasure = erasure

    async def deliver(self, message: DeliverRequest) -> DeliverResponse:
        """See the proto. An event that is not whole is refused with its batch; the relay then sets it aside."""
        facts = _facts(message.events)
        # First: what others were told of somebody is not shown any more, and goes in portions, whatever the rest takes.
        await self._erasure.take(deleted_users(message.events))
        await self._news.take(facts)
        return DeliverResponse()


def _facts(events: Sequence[Event]) -> list[Fact]:
    if len(events) > MAX_EVENTS:
        raise InvalidRequest(violations=[Violation("events", f"must be at most {MAX_EVENTS}")])
    facts, violations = [], []
    for position, event in enumerate(events):
        try:
            fact = fact_of(event)
        except Malformed as error:
            violations.append(Violation(f"events[{position}].{error}", "is missing or malformed"))
        else:
            if fact is not None:
                facts.append(fact)
    if violations:
        raise InvalidRequest(violations=violations)
    return facts
