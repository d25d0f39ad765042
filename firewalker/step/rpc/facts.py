"""Events as the facts that this service keeps a projection of. A fact that lacks something is refused, not guessed at."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.gen.pb.firewalker.user.v1 import UserVisibility
from firewalker.kernel.days import parse_date, parse_zone
from firewalker.kernel.ids import EventId, UserId, parse_uuid
from firewalker.runtime.services.batches import MalformedEvent
from firewalker.step.domain.facts import (
    Befriended,
    Blocked,
    Fact,
    GroupDeleted,
    GroupNamed,
    Joined,
    Left,
    Moved,
    Parted,
    Renamed,
    SignedUp,
    Veiled,
    VeiledFor,
    WalkerNews,
)
from firewalker.step.domain.visibility import Visibility

_SHOWS: Final = {
    UserVisibility.FRIENDS: Visibility.FRIENDS,
    UserVisibility.ROUNDED: Visibility.ROUNDED,
    UserVisibility.RANK_ONLY: Visibility.RANK_ONLY,
    UserVisibility.HIDDEN: Visibility.HIDDEN,
}


def read(event: pb.Event) -> Fact | None:
    """What *event* means here; None for nothing.

    Raises:
        MalformedEvent: It means something here, but not all of it is there.
    """
    for field, reader in _READERS.items():
        told = getattr(event, field)
        if told is not None:
            return reader(_Reading(event, field), told)
    return None


class _Reading:
    """One event being read."""

    def __init__(self, event: pb.Event, field: str) -> None:
        self._event = event
        self._field = field

    @property
    def event_id(self) -> EventId:
        found = parse_uuid(self._event.event_id)
        if found is None:
            raise MalformedEvent("event_id")
        return EventId(found)

    @property
    def told(self) -> datetime:
        if self._event.create_time is None:
            raise MalformedEvent("create_time")
        return self._event.create_time

    def malformed(self, name: str) -> MalformedEvent:
        return MalformedEvent(f"{self._field}.{name}")

    def user(self, name: str, text: str) -> UserId:
        found = parse_uuid(text)
        if found is None:
            raise self.malformed(name)
        return UserId(found)

    def other(self, name: str, text: str, than: UserId) -> UserId:
        found = self.user(name, text)
        if found == than:
            raise self.malformed(name)
        return found

    def group(self, text: str) -> UUID:
        found = parse_uuid(text)
        if found is None:
            raise self.malformed("group_id")
        return found

    def walker(self, name: str, profile: pb.Profile | None, time_zone: str | None = None) -> WalkerNews:
        user = self.user(f"{name}.user_id", "" if profile is None else profile.user_id)
        assert profile is not None  # noqa: S101 - else it had no id
        return WalkerNews(user, profile.nickname, profile.avatar_url, self.told, time_zone)


def _signed_up(at: _Reading, told: pb.UserSignedUp) -> SignedUp:
    return SignedUp(at.event_id, at.walker("profile", told.profile, told.time_zone or None))


def _renamed(at: _Reading, told: pb.ProfileChanged) -> Renamed:
    return Renamed(at.event_id, at.walker("profile", told.profile))


def _befriended(at: _Reading, told: pb.FriendshipAccepted) -> Befriended:
    if told.since_time is None:
        raise at.malformed("since_time")
    accepter = at.walker("accepter", told.accepter)
    requester = at.walker("requester", told.requester)
    if accepter.user_id == requester.user_id:
        raise at.malformed("requester")
    return Befriended(at.event_id, accepter, requester, told.since_time)


def _parted(at: _Reading, told: pb.FriendshipEnded) -> Parted:
    user = at.user("user_id", told.user_id)
    return Parted(at.event_id, user, at.other("friend_id", told.friend_id, user), at.told)


def _blocked(at: _Reading, told: pb.UserBlocked | pb.UserUnblocked) -> Blocked:
    blocker = at.user("blocker_id", told.blocker_id)
    lifted = isinstance(told, pb.UserUnblocked)
    return Blocked(at.event_id, blocker, at.other("blocked_id", told.blocked_id, blocker), at.told, lifted)


def _veiled(at: _Reading, told: pb.VisibilityChanged) -> Veiled:
    shows = _SHOWS.get(told.visibility)
    if shows is None:
        raise at.malformed("visibility")
    return Veiled(at.event_id, at.user("user_id", told.user_id), shows, at.told)


def _veiled_for(at: _Reading, told: pb.FriendVisibilityChanged) -> VeiledFor:
    user = at.user("user_id", told.user_id)
    friend = at.other("friend_id", told.friend_id, user)
    shows = _SHOWS.get(told.visibility)
    if shows is None and told.visibility != UserVisibility.VISIBILITY_UNSPECIFIED:
        raise at.malformed("visibility")
    return VeiledFor(at.event_id, user, friend, shows, at.told)


def _moved(at: _Reading, told: pb.TimeZoneChanged) -> Moved:
    first_date = parse_date(told.first_date)
    if first_date is None:
        raise at.malformed("first_date")
    if parse_zone(told.time_zone) is None:
        raise at.malformed("time_zone")
    return Moved(at.event_id, at.user("user_id", told.user_id), told.time_zone, first_date, at.told)


def _group_named(at: _Reading, told: pb.GroupChanged) -> GroupNamed:
    return GroupNamed(at.event_id, at.group(told.group_id), told.name, at.told)


def _group_deleted(at: _Reading, told: pb.GroupDeleted) -> GroupDeleted:
    return GroupDeleted(at.event_id, at.group(told.group_id), at.told)


def _joined(at: _Reading, told: pb.GroupMemberJoined) -> Joined:
    if told.join_time is None:
        raise at.malformed("join_time")
    return Joined(
        at.event_id, at.group(told.group_id), told.group_name, at.walker("member", told.member), told.join_time
    )


def _left(at: _Reading, told: pb.GroupMemberLeft) -> Left:
    if told.leave_time is None:
        raise at.malformed("leave_time")
    return Left(at.event_id, at.group(told.group_id), at.user("user_id", told.user_id), told.leave_time)


_READERS: Final[Mapping[str, Callable[[_Reading, Any], Fact]]] = {
    "user_signed_up": _signed_up,
    "profile_changed": _renamed,
    "friendship_accepted": _befriended,
    "friendship_ended": _parted,
    "user_blocked": _blocked,
    "user_unblocked": _blocked,
    "visibility_changed": _veiled,
    "friend_visibility_changed": _veiled_for,
    "time_zone_changed": _moved,
    "group_changed": _group_named,
    "group_deleted": _group_deleted,
    "group_member_joined": _joined,
    "group_member_left": _left,
}
"""By the field of the event's oneof."""
