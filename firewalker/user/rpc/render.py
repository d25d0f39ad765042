"""Domain values as messages of `firewalker.user.v1`."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Final

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.ids import SessionId, UserId
from firewalker.runtime.tokens import ALGORITHM
from firewalker.user.domain.friendship import Friendship, State
from firewalker.user.domain.group import Group, JoinPolicy, Membership, Role
from firewalker.user.domain.invite import Invite
from firewalker.user.domain.session import Session
from firewalker.user.domain.user import Card, User, Visibility
from firewalker.user.links import Links
from firewalker.user.store.friend_lists import Row
from firewalker.user.store.group_doors import JoinRequestRow
from firewalker.user.tokens import AccessToken
from firewalker.user.usecases.sessions import Grant

VISIBILITIES: Final[Mapping[Visibility | None, pb.UserVisibility]] = {
    None: pb.UserVisibility.VISIBILITY_UNSPECIFIED,
    Visibility.FRIENDS: pb.UserVisibility.FRIENDS,
    Visibility.ROUNDED: pb.UserVisibility.ROUNDED,
    Visibility.RANK_ONLY: pb.UserVisibility.RANK_ONLY,
    Visibility.HIDDEN: pb.UserVisibility.HIDDEN,
}

_STATES: Final = {
    State.NONE: pb.FriendshipState.NONE,
    State.REQUESTED: pb.FriendshipState.REQUESTED,
    State.FRIENDS: pb.FriendshipState.FRIENDS,
}

_POLICIES: Final = {
    JoinPolicy.OPEN: pb.GroupJoinPolicy.OPEN,
    JoinPolicy.CODE: pb.GroupJoinPolicy.CODE,
    JoinPolicy.REQUEST: pb.GroupJoinPolicy.REQUEST,
}

_ROLES: Final[Mapping[Role | None, pb.MemberRole]] = {
    None: pb.MemberRole.ROLE_UNSPECIFIED,
    Role.OWNER: pb.MemberRole.OWNER,
    Role.ADMIN: pb.MemberRole.ADMIN,
    Role.MEMBER: pb.MemberRole.MEMBER,
}

_CARD_STATES: Final = {
    State.NONE: pb.UserCardFriendshipState.NONE,
    State.REQUESTED: pb.UserCardFriendshipState.REQUESTED,
    State.FRIENDS: pb.UserCardFriendshipState.FRIENDS,
}


def own_user(user: User) -> pb.User:
    """The user, as that user sees themselves."""
    return pb.User(
        user_id=str(user.user_id),
        nickname=user.nickname.text,
        email=user.email,
        avatar_url=user.avatar_url,
        time_zone=user.time_zone,
        daily_goal=user.daily_goal,
        visibility=VISIBILITIES[user.visibility],
        create_time=user.create_time,
        email_verified=user.email_verified,
    )


def user_card(card: Card, state: State) -> pb.UserCard:
    """The user, as everybody may see them, and where they stand with whoever looks."""
    return pb.UserCard(
        user_id=str(card.user_id),
        nickname=card.nickname,
        avatar_url=card.avatar_url,
        friendship_state=_CARD_STATES[state],
    )


def tokens(grant: Grant, access: AccessToken) -> pb.Tokens:
    """What the client needs to stay signed in."""
    return pb.Tokens(
        access_token=access.text,
        access_expire_time=access.expire_time,
        refresh_token=grant.refresh_token.text,
        refresh_expire_time=grant.session.refresh_expire_time,
        session_id=str(grant.session.session_id),
    )


def public_key(key_id: str, raw: bytes) -> pb.JsonWebKey:
    """A key of access tokens, by its 32 bytes."""
    x = urlsafe_b64encode(raw).rstrip(b"=").decode()
    return pb.JsonWebKey(kty="OKP", crv="Ed25519", x=x, kid=key_id, alg=ALGORITHM, use="sig")


def session(value: Session, asking: SessionId) -> pb.Session:
    """The session, seen from the one that asks."""
    return pb.Session(
        session_id=str(value.session_id),
        device_name=value.client.device_name,
        create_time=value.create_time,
        last_used_time=value.last_used_time,
        current=value.session_id == asking,
    )


def friendship(value: Friendship, other: Card) -> pb.Friendship:
    """Where the pair stands, seen from the one who is not *other*."""
    return pb.Friendship(
        user_id=str(other.user_id),
        nickname=other.nickname,
        avatar_url=other.avatar_url,
        state=_STATES[value.state],
        requested_by=_id(value.requested_by),
        since_time=value.since if value.state is State.FRIENDS else None,
    )


def friend_request(row: Row) -> pb.FriendRequest:
    """A pending request, seen from the one who is not in the row."""
    card = row.card
    return pb.FriendRequest(
        user_id=str(card.user_id), nickname=card.nickname, avatar_url=card.avatar_url, create_time=row.since
    )


def friend(row: Row) -> pb.Friend:
    """A friend, seen from the other one."""
    card = row.card
    return pb.Friend(
        user_id=str(card.user_id),
        nickname=card.nickname,
        avatar_url=card.avatar_url,
        since_time=row.since,
        daily_goal=row.daily_goal,
        visibility=VISIBILITIES[row.shows],
    )


def block(row: Row) -> pb.Block:
    """Somebody who is blocked, seen from whoever blocks."""
    card = row.card
    return pb.Block(
        user_id=str(card.user_id), nickname=card.nickname, avatar_url=card.avatar_url, create_time=row.since
    )


def invite(value: Invite, links: Links) -> pb.Invite:
    """A code, with its link."""
    return pb.Invite(code=value.code, url=links.url(value.code), expire_time=value.expire_time)


def group(value: Group, role: Role | None) -> pb.Group:
    """A group, as somebody with that role in it sees it; None for no member."""
    return pb.Group(
        group_id=str(value.group_id),
        name=value.name,
        description=value.description,
        owner_id=str(value.owner_id),
        member_count=value.member_count,
        max_members=value.max_members,
        join_policy=_POLICIES[value.join_policy],
        role=_ROLES[role],
    )


def member(card: Card, membership: Membership) -> pb.Member:
    """A member of a group."""
    return pb.Member(
        user_id=str(card.user_id),
        nickname=card.nickname,
        avatar_url=card.avatar_url,
        role=_ROLES[membership.role],
        join_time=membership.join_time,
    )


def join_request(row: JoinRequestRow) -> pb.JoinRequest:
    """Somebody who waits to be let into a group."""
    card = row.card
    return pb.JoinRequest(
        user_id=str(card.user_id), nickname=card.nickname, avatar_url=card.avatar_url, create_time=row.since
    )


def _id(user_id: UserId | None) -> str:
    return "" if user_id is None else str(user_id)
