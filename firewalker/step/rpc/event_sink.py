"""EventSinkService: what other services tell becomes projections. Internal port only."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from firewalker.gen.pb.firewalker.event.v1 import (
    DeliverRequest,
    DeliverResponse,
    Event,
    EventSinkServiceBase,
    FriendshipAccepted,
    Profile,
    UserSignedUp,
)
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import EventId, UserId, parse_uuid
from firewalker.runtime.grpc.deletions import deleted_users
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.personal_data import Erasure
from firewalker.step.domain.facts import Befriended, Fact, SignedUp, WalkerNews
from firewalker.step.usecases.projections import Projections

MAX_EVENTS = 100
"""Events of one batch (proto)."""


class EventSinkDoor(EventSinkServiceBase):
    """Takes in who signed up and who became friends; acknowledges everything else."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"Deliver": Rule(Caller.SERVICE, max_message_bytes=1_048_576)}

    def __init__(self, projections: Projections, erasure: Erasure) -> None:
        self._projections = projections
        self._erasure = erasure

    async def deliver(self, message: DeliverRequest) -> DeliverResponse:
        """See the proto."""
        await self._projections.take(_facts(message.events))
        await self._erasure.take(deleted_users(message.events))
        return DeliverResponse()


class _Malformed(Exception):
    """An event lacks something; the text names the field."""


def _facts(events: Sequence[Event]) -> list[Fact]:
    if len(events) > MAX_EVENTS:
        raise InvalidRequest(violations=[Violation("events", f"must be at most {MAX_EVENTS}")])
    facts, violations = [], []
    for position, event in enumerate(events):
        try:
            fact = _fact(event)
        except _Malformed as error:
            violations.append(Violation(f"events[{position}].{error}", "is missing or malformed"))
        else:
            if fact is not None:
                facts.append(fact)
    if violations:
        raise InvalidRequest(violations=violations)
    return facts


def _fact(event: Event) -> Fact | None:
    """What *event* means here; None for nothing."""
    if event.user_signed_up is not None:
        return _signed_up(event, event.user_signed_up)
    if event.friendship_accepted is not None:
        return _befriended(event, event.friendship_accepted)
    return None


def _signed_up(event: Event, told: UserSignedUp) -> SignedUp:
    news = _walker(event, told.profile, "user_signed_up.profile", told.time_zone or None)
    return SignedUp(_event_id(event), news)


def _befriended(event: Event, told: FriendshipAccepted) -> Befriended:
    if told.since_time is None:
        raise _Malformed("friendship_accepted.since_time")
    accepter = _walker(event, told.accepter, "friendship_accepted.accepter")
    requester = _walker(event, told.requester, "friendship_accepted.requester")
    if accepter.user_id == requester.user_id:
        raise _Malformed("friendship_accepted.requester")
    return Befriended(_event_id(event), accepter, requester, told.since_time)


def _event_id(event: Event) -> EventId:
    found = parse_uuid(event.event_id)
    if found is None:
        raise _Malformed("event_id")
    return EventId(found)


def _walker(event: Event, profile: Profile | None, field: str, time_zone: str | None = None) -> WalkerNews:
    user_id = None if profile is None else parse_uuid(profile.user_id)
    if profile is None or user_id is None:
        raise _Malformed(f"{field}.user_id")
    if event.create_time is None:
        raise _Malformed("create_time")
    return WalkerNews(UserId(user_id), profile.nickname, profile.avatar_url, event.create_time, time_zone)
