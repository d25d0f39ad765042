"""Whom serialised events are about: for what has to forget people without knowing what it holds (`outbox.set_aside`)."""

import re
from collections.abc import Collection
from typing import Final
from uuid import UUID

from firewalker.gen.pb.firewalker.event.v1 import Event

_ID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def named(payload: bytes) -> set[UUID]:
    """Every id in an event: those of users, and of groups, sessions and itself."""
    return {UUID(found.decode()) for found in _ID.findall(payload)}


def without(payload: bytes, gone: Collection[UUID]) -> bytes | None:
    """The event without those of the *gone* who were only to be told of it; None if it is about one of them.

    What cannot be read, which may be why its receiver did not take it, is about everybody it names.
    """
    texts = {str(user) for user in gone}
    try:
        event = Event.parse(payload)
    except Exception:  # noqa: BLE001 - the library raises anything over bytes that are no message
        return None
    told = (event.group_member_joined, event.group_join_requested, event.group_join_request_closed, event.goal_reached)
    for fact in told:
        if fact is not None:
            fact.told_user_ids = [user for user in fact.told_user_ids if user not in texts]
    left = bytes(event)
    return None if named(left) & set(gone) else left
