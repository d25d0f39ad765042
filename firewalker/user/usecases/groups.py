"""Groups as such: making, showing, changing and ending them, and codes to join them by."""

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId, new_uuid7_at
from firewalker.kernel.paging import Page
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.repeats import UNNAMED, Once
from firewalker.user.domain.faults import GroupRoleRequired, InviteLimitReached
from firewalker.user.domain.group import (
    Group,
    GroupChanged,
    GroupId,
    GroupMemberJoined,
    GroupWish,
    JoinPolicy,
    Membership,
    Role,
)
from firewalker.user.domain.invite import GOOD_FOR, MAX_INVITES, Invite, new_code
from firewalker.user.store.groups import OwnGroup
from firewalker.user.store.positions import OLDEST, Position
from firewalker.user.usecases.group_rooms import GroupRooms, Place
from firewalker.user.usecases.pages import page_of


class Groups:
    """Groups, as far as users may act on them."""

    def __init__(self, *, database: Database, rooms: GroupRooms, clock: Clock) -> None:
        self._database = database
        self._rooms = rooms
        self._clock = clock

    @retried
    async def create(self, caller: UserId, wish: GroupWish, once: Once[Place] = UNNAMED) -> Place:
        """Make a group of which the caller is the owner and first member.

        Raises:
            GroupLimitReached: The caller belongs to 50 groups.
        """
        async with self._database.transaction() as tx:
            await once.begin(tx)
            at = moment(self._clock)
            rooms = self._rooms
            await rooms.limits.lock(tx, caller)
            await rooms.ensure_room_for_group(tx, caller)
            group_id = GroupId(new_uuid7_at(at))
            place = Place(Group.found(group_id, caller, wish, at), Membership(caller, Role.OWNER, at))
            await rooms.groups.add(tx, place.group)
            await rooms.memberships.add(tx, group_id, caller, Role.OWNER, at)
            people = await rooms.users.hold_cards(tx, (caller,))
            made = GroupChanged(group_id, place.group.name, at)
            joined = GroupMemberJoined(group_id, place.group.name, caller, (), at)
            await rooms.facts.append(tx, [made, joined], people)
            await once.finish(tx, place)
        return place

    async def get(self, caller: UserId, group_id: GroupId) -> Place:
        """One group, with the caller's place in it.

        Raises:
            GroupNotFound: There is none that the caller may know of.
        """
        async with self._database.reading() as tx:
            return await self._rooms.enter(tx, caller, group_id, lock=False)

    @retried(idempotent=True)
    async def update(self, caller: UserId, group_id: GroupId, wish: GroupWish) -> Place:
        """Change a group; for owner and administrators.

        Raises:
            GroupNotFound, NotAMember, GroupRoleRequired: The caller may not.
            GroupHasMoreMembers: It has more members than it is to have.
        """
        async with self._database.transaction() as tx:
            place = await self._rooms.enter(tx, caller, group_id)
            membership = place.as_manager()
            after = place.group.wishing(wish, moment(self._clock))
            await self._rooms.groups.save(tx, after)
            if after.name != place.group.name:
                await self._rooms.facts.append(tx, [GroupChanged(group_id, after.name, after.changed)], {})
        return Place(after, membership)

    @retried
    async def delete(self, caller: UserId, group_id: GroupId) -> None:
        """End a group; for its owner.

        Raises:
            GroupNotFound, NotAMember, GroupRoleRequired: The caller may not.
        """
        async with self._database.transaction() as tx:
            place = await self._rooms.enter(tx, caller, group_id)
            place.as_owner()
            await self._rooms.dissolve(tx, place.group, moment(self._clock))

    async def list_mine(self, caller: UserId, size: int, cursor: str | None) -> Page[OwnGroup]:
        """The caller's groups, the longest membership first."""
        behind = OLDEST if cursor is None else Position.parse(cursor)
        async with self._database.reading() as tx:
            found = await self._rooms.groups.list_of(tx, caller, behind, size + 1)
        return page_of(found, size)

    @retried
    async def invite(self, caller: UserId, group_id: GroupId, once: Once[Invite] = UNNAMED) -> Invite:
        """Make a code by which anybody can join for 7 days; for owner and administrators, in open groups for members.

        Raises:
            GroupNotFound, NotAMember, GroupRoleRequired: The caller may not.
            InviteLimitReached: 20 of the group are good.
        """
        async with self._database.transaction() as tx:
            await once.begin(tx)
            at = moment(self._clock)
            place = await self._rooms.enter(tx, caller, group_id)
            if not place.as_member().role.manages and place.group.join_policy is not JoinPolicy.OPEN:
                raise GroupRoleRequired
            if await self._rooms.doors.count_good_invites(tx, group_id, at) >= MAX_INVITES:
                raise InviteLimitReached
            invite = Invite(new_code(), caller, at + GOOD_FOR)
            await self._rooms.doors.add_invite(tx, group_id, invite)
            await once.finish(tx, invite)
        return invite
