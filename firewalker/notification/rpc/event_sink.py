"""EventSinkService: what other services tell becomes notifications, and takes them back. Internal port only."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, EventSinkServiceBase
from firewalker.notification.rpc.event_meanings import fact_of
from firewalker.notification.usecases.news import News
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.services.batches import deleted_users, facts_of


class EventSinkDoor(EventSinkServiceBase):
    """Takes events in. An event's id becomes that of its notifications."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"Deliver": Rule(Caller.SERVICE, max_message_bytes=1_048_576)}

    def __init__(self, news: News, erasure: Erasure) -> None:
        self._news = news
        self._erasure = erasure

    async def deliver(self, message: DeliverRequest) -> DeliverResponse:
        """See the proto. An event that is not whole is refused with its batch; the relay then sets it aside."""
        facts = facts_of(message.events, fact_of)
        # First: what others were told of somebody is not shown any more, and goes in portions, whatever the rest takes.
        await self._erasure.take(deleted_users(message.events))
        await self._news.take(facts)
        return DeliverResponse()
