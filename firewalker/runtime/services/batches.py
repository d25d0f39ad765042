"""Batches of events, as `EventSinkService.Deliver` takes them: all of what they mean to a service, or what is wrong with them."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from firewalker.gen.pb.firewalker.event.v1 import Event
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import UserId, parse_uuid

MAX_EVENTS = 100
"""Events of one batch (proto)."""

F = TypeVar("F")


class MalformedEvent(Exception):
    """An event means something here, but not all of it is there; the text names the field."""


def facts_of(events: Sequence[Event], read: Callable[[Event], F | None]) -> list[F]:
    """What *events* mean, in their order, as *read* tells of each: None for nothing.

    Raises:
        InvalidRequest: There are too many, or *read* raised MalformedEvent; every such event is named.
    """
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


def deleted_users(events: Iterable[Event]) -> list[UserId]:
    """Who was deleted.

    Raises:
        InvalidRequest: It is not told of whom.
    """
    users = []
    for event in events:
        if event.user_deleted is not None:
            found = parse_uuid(event.user_deleted.user_id)
            if found is None:
                raise InvalidRequest(violations=[Violation("events.user_deleted.user_id", "is missing or malformed")])
            users.append(UserId(found))
    return users
