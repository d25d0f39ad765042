"""Domain values as messages of `firewalker.user.v1`."""

from base64 import urlsafe_b64encode

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.ids import SessionId, UserId
from firewalker.runtime.tokens import ALGORITHM
from firewalker.user.domain.friendship import Friendship, State
from firewalker.user.domain.session import Session
from firewalker.user.domain.user import Card, User, Visibility
from firewalker.user.store.friendships import Row
from firewalker.user.tokens import AccessToken
from firewalker.user.usecases.sessions import Grant

_VISIBILITIES = {
    Visibility.FRIENDS: pb.UserVisibility.FRIENDS,
    Visibility.ROUNDED: pb.UserVisibility.ROUNDED,
    Visibility.RANK_ONLY: pb.UserVisibility.RANK_ONLY,
    Visibility.HIDDEN: pb.UserVisibility.HIDDEN,
}

_STATES = {
    State.NONE: pb.FriendshipState.NONE,
    State.REQUESTED: pb.FriendshipState.REQUESTED,
    State.FRIENDS: pb.FriendshipState.FRIENDS,
}


def own_user(user: User) -> pb.User:
    """The user, as that user sees themselves."""
    return pb.User(
        user_id=str(user.user_id),
        nickname=user.nickname.text,
        email=user.email,
        avatar_url=user.avatar_url,
        time_zone=user.time_zone,
        visibility=_VISIBILITIES[user.visibility],
        create_time=user.create_time,
        email_verified=user.email_verified,
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
        user_id=str(card.user_id), nickname=card.nickname, avatar_url=card.avatar_url, since_time=row.since
    )


def _id(user_id: UserId | None) -> str:
    return "" if user_id is None else str(user_id)
