"""Facts as `firewalker.event.v1` messages in the outbox: how the other services learn of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.gen.pb.firewalker.user.v1 import UserVisibility
from firewalker.kernel.ids import EventId, UserId, new_uuid7_at
from firewalker.runtime.mysql import Transaction
from firewalker.runtime.outbox import Outbox, OutboxEvent
from firewalker.user.domain import friendship, group, user
from firewalker.user.domain.cheer import CheerSent
from firewalker.user.domain.security import Notice, SecurityNoticed
from firewalker.user.domain.user import Card, Visibility
from firewalker.user.usecases.ports import Fact

People = Mapping[UserId, Card]

_NOTICES: Final = {
    Notice.PASSWORD_CHANGED: pb.SecurityNoticedKind.PASSWORD_CHANGED,
    Notice.EMAIL_CHANGED: pb.SecurityNoticedKind.EMAIL_CHANGED,
    Notice.TOKEN_REUSED: pb.SecurityNoticedKind.TOKEN_REUSED,
    Notice.PROVIDER_LINKED: pb.SecurityNoticedKind.PROVIDER_LINKED,
}

_ONLY_TO: Final[Mapping[type[Fact], Collection[str]]] = {
    CheerSent: ("notification",),
    group.GroupJoinRequestClosed: ("notification",),
}
"""Facts that only some services have a use for."""

_VISIBILITIES: Final = {
    None: UserVisibility.VISIBILITY_UNSPECIFIED,
    Visibility.FRIENDS: UserVisibility.FRIENDS,
    Visibility.ROUNDED: UserVisibility.ROUNDED,
    Visibility.RANK_ONLY: UserVisibility.RANK_ONLY,
    Visibility.HIDDEN: UserVisibility.HIDDEN,
}


class OutboxFacts:
    """Writes facts into the outbox in the transaction of their change."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def append(self, tx: Transaction, facts: Sequence[Fact], people: People) -> None:
        """Write the facts in their order. *people* holds the cards of those whom they introduce."""
        for receivers, some in groupby(facts, lambda fact: _ONLY_TO.get(type(fact))):
            await self._outbox.append(tx, [_outbox_event(fact, people) for fact in some], to=receivers)


def _outbox_event(fact: Fact, people: People) -> OutboxEvent:
    event_id = EventId(new_uuid7_at(fact.at))
    field, render = _RENDERED[type(fact)]
    rendered: dict[str, Any] = {field: render(fact, people)}
    event = pb.Event(event_id=str(event_id), create_time=fact.at, **rendered)
    return OutboxEvent(event_id, type(fact).__name__, bytes(event), fact.at, about(fact))


def about(fact: Fact) -> UUID:
    """Whom or what *fact* is about: whose row its transaction locks. Of two users it is the lower id, as of their row."""
    ids: tuple[UUID, ...]
    match fact:
        case user.UserSignedUp():
            ids = (fact.user.user_id,)
        case user.ProfileChanged():
            ids = (fact.card.user_id,)
        case user.TimeZoneChanged() | user.VisibilityChanged() | user.UserDeleted() | SecurityNoticed():
            ids = (fact.user_id,)
        case friendship.FriendRequested() | friendship.FriendRequestWithdrawn():
            ids = (fact.requester, fact.addressee)
        case friendship.FriendshipAccepted():
            ids = (fact.accepter, fact.requester)
        case friendship.FriendshipEnded() | friendship.FriendVisibilityChanged():
            ids = (fact.user, fact.friend)
        case friendship.UserBlocked() | friendship.UserUnblocked():
            ids = (fact.blocker, fact.blocked)
        case CheerSent():
            ids = (fact.sender, fact.receiver)
        case _:
            ids = (fact.group_id,)
    return min(ids)


def _profile(card: Card) -> pb.Profile:
    return pb.Profile(user_id=str(card.user_id), nickname=card.nickname, avatar_url=card.avatar_url)


_RENDERED: Final[Mapping[type[Fact], tuple[str, Callable[[Any, People], Any]]]] = {
    user.UserSignedUp: (
        "user_signed_up",
        lambda fact, people: pb.UserSignedUp(_profile(people[fact.user.user_id]), fact.user.time_zone),
    ),
    user.ProfileChanged: ("profile_changed", lambda fact, _: pb.ProfileChanged(_profile(fact.card))),
    user.TimeZoneChanged: (
        "time_zone_changed",
        lambda fact, _: pb.TimeZoneChanged(str(fact.user_id), fact.time_zone, fact.first_date.isoformat()),
    ),
    user.VisibilityChanged: (
        "visibility_changed",
        lambda fact, _: pb.VisibilityChanged(str(fact.user_id), _VISIBILITIES[fact.visibility]),
    ),
    friendship.FriendRequested: (
        "friend_requested",
        lambda fact, people: pb.FriendRequested(_profile(people[fact.requester]), str(fact.addressee)),
    ),
    friendship.FriendshipAccepted: (
        "friendship_accepted",
        lambda fact, people: pb.FriendshipAccepted(
            _profile(people[fact.accepter]), _profile(people[fact.requester]), fact.at
        ),
    ),
    friendship.FriendRequestWithdrawn: (
        "friend_request_withdrawn",
        lambda fact, _: pb.FriendRequestWithdrawn(str(fact.requester), str(fact.addressee)),
    ),
    friendship.FriendshipEnded: (
        "friendship_ended",
        lambda fact, _: pb.FriendshipEnded(str(fact.user), str(fact.friend)),
    ),
    friendship.UserBlocked: ("user_blocked", lambda fact, _: pb.UserBlocked(str(fact.blocker), str(fact.blocked))),
    friendship.UserUnblocked: (
        "user_unblocked",
        lambda fact, _: pb.UserUnblocked(str(fact.blocker), str(fact.blocked)),
    ),
    friendship.FriendVisibilityChanged: (
        "friend_visibility_changed",
        lambda fact, _: pb.FriendVisibilityChanged(str(fact.user), str(fact.friend), _VISIBILITIES[fact.visibility]),
    ),
    group.GroupChanged: ("group_changed", lambda fact, _: pb.GroupChanged(str(fact.group_id), fact.name)),
    group.GroupDeleted: ("group_deleted", lambda fact, _: pb.GroupDeleted(str(fact.group_id))),
    group.GroupMemberJoined: (
        "group_member_joined",
        lambda fact, people: pb.GroupMemberJoined(
            str(fact.group_id), fact.group_name, _profile(people[fact.member]), fact.at, [*map(str, fact.told)]
        ),
    ),
    group.GroupMemberLeft: (
        "group_member_left",
        lambda fact, _: pb.GroupMemberLeft(str(fact.group_id), str(fact.member), fact.at),
    ),
    group.GroupJoinRequested: (
        "group_join_requested",
        lambda fact, people: pb.GroupJoinRequested(
            str(fact.group_id), fact.group_name, _profile(people[fact.requester]), [*map(str, fact.told)]
        ),
    ),
    group.GroupJoinRequestClosed: (
        "group_join_request_closed",
        lambda fact, _: pb.GroupJoinRequestClosed(
            str(fact.group_id), str(fact.requester), fact.accepted, [*map(str, fact.told)]
        ),
    ),
    user.UserDeleted: ("user_deleted", lambda fact, _: pb.UserDeleted(str(fact.user_id))),
    SecurityNoticed: (
        "security_noticed",
        lambda fact, _: pb.SecurityNoticed(
            str(fact.user_id),
            _NOTICES[fact.notice],
            fact.device_name,
            "" if fact.session_id is None else str(fact.session_id),
        ),
    ),
    CheerSent: (
        "cheer_sent",
        lambda fact, people: pb.CheerSent(_profile(people[fact.sender]), str(fact.receiver), fact.kind.name),
    ),
}
"""By the kind of fact: the field of the event's oneof, and what stands in it."""
