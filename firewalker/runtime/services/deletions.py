"""Deletions among the events that a service is told."""

from collections.abc import Iterable

from firewalker.gen.pb.firewalker.event.v1 import Event
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import UserId, parse_uuid


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
