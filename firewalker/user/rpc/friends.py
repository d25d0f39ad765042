"""`FriendService`: asking, answering, listing."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.ids import UserId
from firewalker.kernel.paging import page_size
from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import CHANGES, READS
from firewalker.runtime.page_tokens import PageTokens
from firewalker.user.domain.friendship import Direction
from firewalker.user.domain.nickname import NICKNAME_RULE, Nickname, parse_nickname
from firewalker.user.rpc import render
from firewalker.user.rpc.fields import Fields
from firewalker.user.usecases.friend_requests import FriendRequests
from firewalker.user.usecases.friends import Friends

_DIRECTIONS = {
    pb.ListFriendRequestsRequestDirection.DIRECTION_UNSPECIFIED: Direction.INCOMING,
    pb.ListFriendRequestsRequestDirection.INCOMING: Direction.INCOMING,
    pb.ListFriendRequestsRequestDirection.OUTGOING: Direction.OUTGOING,
}


class FriendDoor(pb.FriendServiceBase):
    """Friendships of the caller."""

    POLICY: ClassVar[Mapping[str, Rule]] = {
        "SendFriendRequest": Rule(Caller.USER, rate=CHANGES),
        "ListFriendRequests": Rule(Caller.USER, priority=Priority.READ, rate=READS),
        "AcceptFriendRequest": Rule(Caller.USER, sensitive=True, rate=CHANGES),
        "ListFriends": Rule(Caller.USER, priority=Priority.READ, rate=READS),
    }

    def __init__(self, requests: FriendRequests, friends: Friends, page_tokens: PageTokens) -> None:
        self._requests = requests
        self._friends = friends
        self._page_tokens = page_tokens

    async def send_friend_request(self, message: pb.SendFriendRequestRequest) -> pb.SendFriendRequestResponse:
        """Ask somebody to become friends."""
        friendship, other = await self._requests.send(principal().user_id, _addressee(message))
        return pb.SendFriendRequestResponse(friendship=render.friendship(friendship, other))

    async def accept_friend_request(self, message: pb.AcceptFriendRequestRequest) -> pb.AcceptFriendRequestResponse:
        """Accept a pending request."""
        fields = Fields()
        requester = fields.user_id("user_id", message.user_id)
        fields.ensure_valid()
        friendship, other = await self._requests.accept(principal().user_id, requester)
        return pb.AcceptFriendRequestResponse(friendship=render.friendship(friendship, other))

    async def list_friend_requests(self, message: pb.ListFriendRequestsRequest) -> pb.ListFriendRequestsResponse:
        """Requests that wait for an answer, newest first."""
        caller = principal().user_id
        fields = Fields()
        direction = fields.read("direction", _DIRECTIONS.get(message.direction), "must be INCOMING or OUTGOING")
        fields.ensure_valid()
        query = f"ListFriendRequests {caller} {direction.name}"
        size, cursor = page_size(message.page_size), self._page_tokens.open(query, message.page_token)
        page = await self._requests.list(caller, direction, size, cursor)
        return pb.ListFriendRequestsResponse(
            friend_requests=[render.friend_request(row) for row in page.rows],
            next_page_token=self._next(query, page.next_cursor),
        )

    async def list_friends(self, message: pb.ListFriendsRequest) -> pb.ListFriendsResponse:
        """The caller's friends, the longest friendship first."""
        caller = principal().user_id
        query = f"ListFriends {caller}"
        size, cursor = page_size(message.page_size), self._page_tokens.open(query, message.page_token)
        page = await self._friends.list(caller, size, cursor)
        return pb.ListFriendsResponse(
            friends=[render.friend(row) for row in page.rows], next_page_token=self._next(query, page.next_cursor)
        )

    def _next(self, query: str, cursor: str | None) -> str:
        return "" if cursor is None else self._page_tokens.seal(query, cursor)


def _addressee(message: pb.SendFriendRequestRequest) -> UserId | Nickname:
    """Whom the request names; the two ways of naming are alternatives."""
    fields = Fields()
    addressee: UserId | Nickname
    if message.nickname is not None:
        addressee = fields.read("nickname", parse_nickname(message.nickname), NICKNAME_RULE)
    elif message.user_id is not None:
        addressee = fields.user_id("user_id", message.user_id)
    else:
        fields.read("target", None, "user_id or nickname must be set")
    fields.ensure_valid()
    return addressee
