"""`GroupService`: groups and their members."""

from collections.abc import Mapping
from typing import ClassVar, Final

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import CHANGES, READS
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.repeats import Repeatable
from firewalker.user.domain.group import (
    MAX_DESCRIPTION_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_SIZE,
    MIN_SIZE,
    GroupId,
    GroupWish,
    JoinPolicy,
    Role,
    parse_description,
    parse_name,
    parse_size,
)
from firewalker.user.domain.invite import Invite, parse_code
from firewalker.user.links import Links
from firewalker.user.rpc import render
from firewalker.user.rpc.fields import CODE_RULE, ID_RULE, Fields, masked
from firewalker.user.rpc.pages import Turn
from firewalker.user.usecases.group_rooms import Place
from firewalker.user.usecases.groups import Groups
from firewalker.user.usecases.members import Members

_POLICIES: Final = {
    pb.GroupJoinPolicy.OPEN: JoinPolicy.OPEN,
    pb.GroupJoinPolicy.CODE: JoinPolicy.CODE,
    pb.GroupJoinPolicy.REQUEST: JoinPolicy.REQUEST,
}
_ROLES: Final = {pb.MemberRole.OWNER: Role.OWNER, pb.MemberRole.ADMIN: Role.ADMIN, pb.MemberRole.MEMBER: Role.MEMBER}

_CHANGEABLE: Final = ("name", "description", "max_members", "join_policy")

_CHANGE: Final = Rule(Caller.USER, rate=CHANGES)
_READ: Final = Rule(Caller.USER, priority=Priority.READ, rate=READS)


class GroupDoor(pb.GroupServiceBase):
    """Groups, for any signed-in user; what membership and role allow is decided in the use cases."""

    POLICY: ClassVar[Mapping[str, Rule]] = {
        "CreateGroup": _CHANGE,
        "GetGroup": _READ,
        "UpdateGroup": _CHANGE,
        "DeleteGroup": _CHANGE,
        "ListMyGroups": _READ,
        "JoinGroup": _CHANGE,
        "LeaveGroup": _CHANGE,
        "ListMembers": _READ,
        "RemoveMember": _CHANGE,
        "BanMember": _CHANGE,
        "UnbanMember": _CHANGE,
        "SetMemberRole": _CHANGE,
        "ListJoinRequests": _READ,
        "AnswerJoinRequest": _CHANGE,
        "CreateGroupInvite": _CHANGE,
    }

    def __init__(
        self, *, groups: Groups, members: Members, links: Links, page_tokens: PageTokens, clock: Clock
    ) -> None:
        self._groups = groups
        self._members = members
        self._links = links
        self._page_tokens = page_tokens
        self._clock = clock

    # -- groups ------------------------------------------------------------------------------------------------------

    async def create_group(self, message: pb.CreateGroupRequest) -> pb.CreateGroupResponse:
        """Make a group."""

        def answer(place: Place) -> pb.CreateGroupResponse:
            return pb.CreateGroupResponse(group=render.group(place.group, place.role))

        present = {field for field in _CHANGEABLE if getattr(message, field)}
        wish = _wish(message, {"name"} | present, "")
        caller = principal().user_id
        call = Repeatable("CreateGroup", caller, message, answer, self._clock)
        return await call.answer(self._groups.create(caller, wish, call.once), pb.CreateGroupResponse)

    async def get_group(self, message: pb.GetGroupRequest) -> pb.GetGroupResponse:
        """One group."""
        place = await self._groups.get(principal().user_id, _group(message.group_id))
        return pb.GetGroupResponse(group=render.group(place.group, place.role))

    async def update_group(self, message: pb.UpdateGroupRequest) -> pb.UpdateGroupResponse:
        """Change a group."""
        group_id, new = _group(message.group_id), message.group or pb.Group()
        fields = Fields()
        present = {field for field in _CHANGEABLE if getattr(new, field)}
        taken = set(masked(fields, message.update_mask, known=_CHANGEABLE, present=present))
        fields.ensure_valid()
        place = await self._groups.update(principal().user_id, group_id, _wish(new, taken, "group."))
        return pb.UpdateGroupResponse(group=render.group(place.group, place.role))

    async def delete_group(self, message: pb.DeleteGroupRequest) -> pb.DeleteGroupResponse:
        """End a group."""
        await self._groups.delete(principal().user_id, _group(message.group_id))
        return pb.DeleteGroupResponse()

    async def list_my_groups(self, message: pb.ListMyGroupsRequest) -> pb.ListMyGroupsResponse:
        """The caller's groups."""
        turn = Turn(self._page_tokens, "ListMyGroups", message)
        page = await self._groups.list_mine(principal().user_id, turn.size, turn.cursor)
        return pb.ListMyGroupsResponse(
            groups=[render.group(row.group, row.role) for row in page.rows],
            next_page_token=turn.next_token(page.next_cursor),
        )

    async def create_group_invite(self, message: pb.CreateGroupInviteRequest) -> pb.CreateGroupInviteResponse:
        """Make a code to join by."""

        def answer(invite: Invite) -> pb.CreateGroupInviteResponse:
            return pb.CreateGroupInviteResponse(invite=render.invite(invite, self._links))

        group_id, caller = _group(message.group_id), principal().user_id
        call = Repeatable("CreateGroupInvite", caller, message, answer, self._clock)
        return await call.answer(self._groups.invite(caller, group_id, call.once), pb.CreateGroupInviteResponse)

    # -- one's own membership ----------------------------------------------------------------------------------------

    async def join_group(self, message: pb.JoinGroupRequest) -> pb.JoinGroupResponse:
        """Become a member, or wait to."""
        fields = Fields()
        group_id = code = None
        if message.group_id:
            group_id = GroupId(fields.read("group_id", parse_uuid(message.group_id), ID_RULE))
        if message.code:
            code = fields.read("code", parse_code(message.code), CODE_RULE)
        if not message.group_id and not message.code:
            fields.read("group_id", None, "group_id or code must be set")
        fields.ensure_valid()
        place = await self._members.join(principal().user_id, group_id, code)
        states = pb.JoinGroupResponseState
        state = states.REQUESTED if place.membership is None else states.JOINED
        return pb.JoinGroupResponse(group=render.group(place.group, place.role), state=state)

    async def leave_group(self, message: pb.LeaveGroupRequest) -> pb.LeaveGroupResponse:
        """Be a member no more."""
        await self._members.leave(principal().user_id, _group(message.group_id))
        return pb.LeaveGroupResponse()

    # -- others' memberships -----------------------------------------------------------------------------------------

    async def list_members(self, message: pb.ListMembersRequest) -> pb.ListMembersResponse:
        """The members of a group."""
        group_id = _group(message.group_id)
        turn = Turn(self._page_tokens, "ListMembers", message, group_id)
        page = await self._members.list(principal().user_id, group_id, turn.size, turn.cursor)
        return pb.ListMembersResponse(
            members=[render.member(row.card, row.membership) for row in page.rows],
            next_page_token=turn.next_token(page.next_cursor),
        )

    async def remove_member(self, message: pb.RemoveMemberRequest) -> pb.RemoveMemberResponse:
        """Send a member away."""
        await self._members.remove(principal().user_id, *_member(message.group_id, message.user_id))
        return pb.RemoveMemberResponse()

    async def ban_member(self, message: pb.BanMemberRequest) -> pb.BanMemberResponse:
        """Send somebody away for good."""
        await self._members.ban(principal().user_id, *_member(message.group_id, message.user_id))
        return pb.BanMemberResponse()

    async def unban_member(self, message: pb.UnbanMemberRequest) -> pb.UnbanMemberResponse:
        """Let somebody join again."""
        await self._members.unban(principal().user_id, *_member(message.group_id, message.user_id))
        return pb.UnbanMemberResponse()

    async def set_member_role(self, message: pb.SetMemberRoleRequest) -> pb.SetMemberRoleResponse:
        """Give a member a role."""
        group_id, user = _member(message.group_id, message.user_id)
        fields = Fields()
        role = fields.read("role", _ROLES.get(message.role), "must be OWNER, ADMIN or MEMBER")
        fields.ensure_valid()
        card, membership = await self._members.set_role(principal().user_id, group_id, user, role)
        return pb.SetMemberRoleResponse(member=render.member(card, membership))

    async def list_join_requests(self, message: pb.ListJoinRequestsRequest) -> pb.ListJoinRequestsResponse:
        """Who waits to be let in."""
        group_id = _group(message.group_id)
        turn = Turn(self._page_tokens, "ListJoinRequests", message, group_id)
        page = await self._members.list_requests(principal().user_id, group_id, turn.size, turn.cursor)
        return pb.ListJoinRequestsResponse(
            join_requests=[render.join_request(row) for row in page.rows],
            next_page_token=turn.next_token(page.next_cursor),
        )

    async def answer_join_request(self, message: pb.AnswerJoinRequestRequest) -> pb.AnswerJoinRequestResponse:
        """Let somebody in, or do not."""
        group_id, user = _member(message.group_id, message.user_id)
        await self._members.answer(principal().user_id, group_id, user, accept=message.accept)
        return pb.AnswerJoinRequestResponse()


def _group(text: str) -> GroupId:
    fields = Fields()
    group_id = fields.read("group_id", parse_uuid(text), ID_RULE)
    fields.ensure_valid()
    return GroupId(group_id)


def _member(group: str, user: str) -> tuple[GroupId, UserId]:
    fields = Fields()
    group_id, user_id = fields.read("group_id", parse_uuid(group), ID_RULE), fields.user_id("user_id", user)
    fields.ensure_valid()
    return GroupId(group_id), user_id


def _wish(source: pb.CreateGroupRequest | pb.Group, taken: set[str], prefix: str) -> GroupWish:
    """What is to be set: the fields of *source* that are *taken*. *prefix* is where they stand in the request."""
    fields = Fields()
    name = description = size = policy = None
    if "name" in taken:
        rule = f"must have 1 to {MAX_NAME_CHARACTERS} printable characters"
        name = fields.read(f"{prefix}name", parse_name(source.name), rule)
    if "description" in taken:
        rule = f"must have at most {MAX_DESCRIPTION_CHARACTERS} printable characters or line breaks"
        description = fields.read(f"{prefix}description", parse_description(source.description), rule)
    if "max_members" in taken:
        rule = f"must be between {MIN_SIZE} and {MAX_SIZE}"
        size = fields.read(f"{prefix}max_members", parse_size(source.max_members), rule)
    if "join_policy" in taken:
        known = _POLICIES.get(source.join_policy)
        policy = fields.read(f"{prefix}join_policy", known, "must be OPEN, CODE or REQUEST")
    fields.ensure_valid()
    return GroupWish(name, description, size, policy)
