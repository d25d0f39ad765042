"""`FriendService`: asking, answering, listing; blocks, invites, cheers."""

from collections.abc import Mapping
from typing import ClassVar, Final

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.gen.pb.google.api import HttpBody
from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import CHANGES, READS
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.repeats import Repeatable
from firewalker.user.domain.cheer import CheerKind
from firewalker.user.domain.friendship import Direction
from firewalker.user.domain.invite import Invite, parse_code
from firewalker.user.domain.nickname import NICKNAME_RULE, Nickname, parse_nickname
from firewalker.user.links import Links
from firewalker.user.rpc import render
from firewalker.user.rpc.fields import CODE_RULE, Fields, visibility_of
from firewalker.user.rpc.pages import Turn
from firewalker.user.usecases.blocks import Blocks
from firewalker.user.usecases.friend_requests import Asked, FriendRequests
from firewalker.user.usecases.friends import Friends
from firewalker.user.usecases.invites import Invites

_DIRECTIONS: Final = {
    pb.ListFriendRequestsRequestDirection.DIRECTION_UNSPECIFIED: Direction.INCOMING,
    pb.ListFriendRequestsRequestDirection.INCOMING: Direction.INCOMING,
    pb.ListFriendRequestsRequestDirection.OUTGOING: Direction.OUTGOING,
}

_CHEERS: Final = {
    pb.SendCheerRequestKind.KIND_UNSPECIFIED: CheerKind.CLAP,
    pb.SendCheerRequestKind.CLAP: CheerKind.CLAP,
    pb.SendCheerRequestKind.FIRE: CheerKind.FIRE,
    pb.SendCheerRequestKind.HEART: CheerKind.HEART,
    pb.SendCheerRequestKind.STRONG: CheerKind.STRONG,
    pb.SendCheerRequestKind.THUMBS_UP: CheerKind.THUMBS_UP,
}

_CHANGE: Final = Rule(Caller.USER, rate=CHANGES)
_SENSITIVE: Final = Rule(Caller.USER, rate=CHANGES, sensitive=True)
_READ: Final = Rule(Caller.USER, priority=Priority.READ, rate=READS)


class FriendDoor(pb.FriendServiceBase):
    """Friendships of the caller."""

    POLICY: ClassVar[Mapping[str, Rule]] = {
        "SendFriendRequest": _CHANGE,
        "ListFriendRequests": _READ,
        "AcceptFriendRequest": _SENSITIVE,
        "DeclineFriendRequest": _CHANGE,
        "CancelFriendRequest": _CHANGE,
        "ListFriends": _READ,
        "RemoveFriend": _CHANGE,
        "SetFriendVisibility": _SENSITIVE,
        "SendCheer": _CHANGE,
        "BlockUser": _CHANGE,
        "UnblockUser": _CHANGE,
        "ListBlocks": _READ,
        "CreateInvite": _CHANGE,
        "RevokeInvite": _CHANGE,
        "GetInviteQr": _READ,
    }

    def __init__(
        self,
        *,
        requests: FriendRequests,
        friends: Friends,
        blocks: Blocks,
        invites: Invites,
        links: Links,
        page_tokens: PageTokens,
        clock: Clock,
    ) -> None:
        self._requests = requests
        self._friends = friends
        self._blocks = blocks
        self._invites = invites
        self._links = links
        self._page_tokens = page_tokens
        self._clock = clock

    # -- requests ----------------------------------------------------------------------------------------------------

    async def send_friend_request(self, message: pb.SendFriendRequestRequest) -> pb.SendFriendRequestResponse:
        """Ask somebody to become friends."""

        def answer(asked: Asked) -> pb.SendFriendRequestResponse:
            return pb.SendFriendRequestResponse(friendship=render.friendship(*asked))

        caller = principal().user_id
        call = Repeatable("SendFriendRequest", caller, message, answer, self._clock)
        work = self._requests.send(caller, _addressee(message), call.once)
        return await call.answer(work, pb.SendFriendRequestResponse)

    async def accept_friend_request(self, message: pb.AcceptFriendRequestRequest) -> pb.AcceptFriendRequestResponse:
        """Accept a pending request."""
        asked = await self._requests.accept(principal().user_id, _user(message.user_id))
        return pb.AcceptFriendRequestResponse(friendship=render.friendship(*asked))

    async def decline_friend_request(self, message: pb.DeclineFriendRequestRequest) -> pb.DeclineFriendRequestResponse:
        """Decline a pending request."""
        asked = await self._requests.decline(principal().user_id, _user(message.user_id))
        return pb.DeclineFriendRequestResponse(friendship=render.friendship(*asked))

    async def cancel_friend_request(self, message: pb.CancelFriendRequestRequest) -> pb.CancelFriendRequestResponse:
        """Take the caller's own request back."""
        await self._requests.cancel(principal().user_id, _user(message.user_id))
        return pb.CancelFriendRequestResponse()

    async def list_friend_requests(self, message: pb.ListFriendRequestsRequest) -> pb.ListFriendRequestsResponse:
        """Requests that wait for an answer, newest first."""
        fields = Fields()
        direction = fields.read("direction", _DIRECTIONS.get(message.direction), "must be INCOMING or OUTGOING")
        fields.ensure_valid()
        turn = Turn(self._page_tokens, "ListFriendRequests", message, direction.name)
        page = await self._requests.list(principal().user_id, direction, turn.size, turn.cursor)
        return pb.ListFriendRequestsResponse(
            friend_requests=[render.friend_request(row) for row in page.rows],
            next_page_token=turn.next_token(page.next_cursor),
        )

    # -- friends -----------------------------------------------------------------------------------------------------

    async def list_friends(self, message: pb.ListFriendsRequest) -> pb.ListFriendsResponse:
        """The caller's friends, the longest friendship first."""
        turn = Turn(self._page_tokens, "ListFriends", message)
        page = await self._friends.list(principal().user_id, turn.size, turn.cursor)
        return pb.ListFriendsResponse(
            friends=[render.friend(row) for row in page.rows], next_page_token=turn.next_token(page.next_cursor)
        )

    async def remove_friend(self, message: pb.RemoveFriendRequest) -> pb.RemoveFriendResponse:
        """End a friendship."""
        await self._friends.remove(principal().user_id, _user(message.user_id))
        return pb.RemoveFriendResponse()

    async def set_friend_visibility(self, message: pb.SetFriendVisibilityRequest) -> pb.SetFriendVisibilityResponse:
        """Show one friend more or less than the others."""
        fields = Fields()
        friend = fields.user_id("user_id", message.user_id)
        visibility = None
        if message.visibility != pb.UserVisibility.VISIBILITY_UNSPECIFIED:
            visibility = visibility_of(fields, "visibility", message.visibility)
        fields.ensure_valid()
        row = await self._friends.show(principal().user_id, friend, visibility)
        return pb.SetFriendVisibilityResponse(friend=render.friend(row))

    async def send_cheer(self, message: pb.SendCheerRequest) -> pb.SendCheerResponse:
        """Cheer a friend."""

        def answer(_: None) -> pb.SendCheerResponse:
            return pb.SendCheerResponse()

        fields = Fields()
        friend = fields.user_id("user_id", message.user_id)
        kind = fields.read("kind", _CHEERS.get(message.kind), "must be one of the kinds")
        fields.ensure_valid()
        caller = principal().user_id
        call = Repeatable("SendCheer", caller, message, answer, self._clock)
        return await call.answer(self._friends.cheer(caller, friend, kind, call.once), pb.SendCheerResponse)

    # -- blocks ------------------------------------------------------------------------------------------------------

    async def block_user(self, message: pb.BlockUserRequest) -> pb.BlockUserResponse:
        """Block a user."""
        row = await self._blocks.block(principal().user_id, _user(message.user_id))
        return pb.BlockUserResponse(block=render.block(row))

    async def unblock_user(self, message: pb.UnblockUserRequest) -> pb.UnblockUserResponse:
        """Lift a block."""
        await self._blocks.unblock(principal().user_id, _user(message.user_id))
        return pb.UnblockUserResponse()

    async def list_blocks(self, message: pb.ListBlocksRequest) -> pb.ListBlocksResponse:
        """Whom the caller blocks, the latest first."""
        turn = Turn(self._page_tokens, "ListBlocks", message)
        page = await self._blocks.list(principal().user_id, turn.size, turn.cursor)
        return pb.ListBlocksResponse(
            blocks=[render.block(row) for row in page.rows], next_page_token=turn.next_token(page.next_cursor)
        )

    # -- invites -----------------------------------------------------------------------------------------------------

    async def create_invite(self, message: pb.CreateInviteRequest) -> pb.CreateInviteResponse:
        """Make a code by which others can ask for the caller's friendship."""

        def answer(invite: Invite) -> pb.CreateInviteResponse:
            return pb.CreateInviteResponse(invite=render.invite(invite, self._links))

        caller = principal().user_id
        call = Repeatable("CreateInvite", caller, message, answer, self._clock)
        return await call.answer(self._invites.create(caller, call.once), pb.CreateInviteResponse)

    async def revoke_invite(self, message: pb.RevokeInviteRequest) -> pb.RevokeInviteResponse:
        """Make a code useless."""
        await self._invites.revoke(principal().user_id, _code(message.code))
        return pb.RevokeInviteResponse()

    async def get_invite_qr(self, message: pb.GetInviteQrRequest) -> pb.GetInviteQrResponse:
        """The link of a code as a QR picture."""
        invite = await self._invites.get(principal().user_id, _code(message.code))
        picture = HttpBody(content_type="image/png", data=self._links.picture(invite))
        return pb.GetInviteQrResponse(picture=picture)


def _user(text: str) -> UserId:
    fields = Fields()
    user = fields.user_id("user_id", text)
    fields.ensure_valid()
    return user


def _code(text: str) -> str:
    fields = Fields()
    code = fields.read("code", parse_code(text), CODE_RULE)
    fields.ensure_valid()
    return code


def _addressee(message: pb.SendFriendRequestRequest) -> UserId | Nickname | str:
    """Whom the request names; the ways of naming are alternatives."""
    fields = Fields()
    addressee: UserId | Nickname | str
    if message.nickname is not None:
        addressee = fields.read("nickname", parse_nickname(message.nickname), NICKNAME_RULE)
    elif message.user_id is not None:
        addressee = fields.user_id("user_id", message.user_id)
    elif message.invite_code is not None:
        addressee = fields.read("invite_code", parse_code(message.invite_code), CODE_RULE)
    else:
        fields.read("target", None, "user_id, nickname or invite_code must be set")
    fields.ensure_valid()
    return addressee
