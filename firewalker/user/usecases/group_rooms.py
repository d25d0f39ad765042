"""What all use cases of groups stand on: coming to a group in some capacity, joining it, leaving it, ending it.

Locks are taken in one order everywhere: the group's row, then a user's counters, then cards. No transaction takes a
group's row after those of a friendship, or two groups' rows.
"""

from dataclasses import dataclass
from datetime import datetime

from firewalker.kernel.faults import GroupNotFound
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.faults import GroupLimitReached, GroupRoleRequired, NotAMember
from firewalker.user.domain.group import (
    MAX_GROUPS,
    Group,
    GroupDeleted,
    GroupId,
    GroupJoinRequestClosed,
    GroupMemberJoined,
    GroupMemberLeft,
    JoinPolicy,
    Membership,
    Role,
)
from firewalker.user.store.group_doors import GroupDoors
from firewalker.user.store.groups import Groups
from firewalker.user.store.limits import Limits
from firewalker.user.store.memberships import Memberships
from firewalker.user.store.users import Users
from firewalker.user.usecases.ports import Facts


@dataclass(frozen=True, slots=True)
class Place:
    """A group and the caller's membership in it."""

    group: Group
    membership: Membership | None

    @property
    def role(self) -> Role | None:
        """The caller's role; None for no member."""
        return None if self.membership is None else self.membership.role

    def as_member(self) -> Membership:
        """The caller's membership.

        Raises:
            NotAMember: There is none.
        """
        if self.membership is None:
            raise NotAMember
        return self.membership

    def as_manager(self) -> Membership:
        """The membership of an owner or administrator.

        Raises:
            NotAMember, GroupRoleRequired: The caller is none.
        """
        membership = self.as_member()
        if not membership.role.manages:
            raise GroupRoleRequired
        return membership

    def as_owner(self) -> Membership:
        """The membership of the owner.

        Raises:
            NotAMember, GroupRoleRequired: The caller is somebody else.
        """
        membership = self.as_member()
        if membership.role is not Role.OWNER:
            raise GroupRoleRequired
        return membership


@dataclass(frozen=True, slots=True)
class GroupRooms:
    """The stores of groups, and what is done with several of them at once."""

    groups: Groups
    memberships: Memberships
    doors: GroupDoors
    limits: Limits
    users: Users
    facts: Facts

    async def enter(self, tx: Transaction, caller: UserId, group_id: GroupId, *, lock: bool = True) -> Place:
        """The group and the caller's place in it.

        Raises:
            GroupNotFound: There is none, or it takes members by code alone and the caller is none.
        """
        group = await (self.groups.lock if lock else self.groups.find)(tx, group_id)
        if group is None:
            raise GroupNotFound
        membership = await self.memberships.find(tx, group_id, caller)
        if membership is None and group.join_policy is JoinPolicy.CODE:
            raise GroupNotFound
        return Place(group, membership)

    async def admit(self, tx: Transaction, group: Group, user: UserId, told: tuple[UserId, ...], at: datetime) -> Group:
        """Make *user*, who is no member, one. Whoever waited does not any more.

        Raises:
            GroupFull: The group is.
            GroupLimitReached: The user belongs to 50 groups.
        """
        after = group.with_one_more(at)
        await self.limits.lock(tx, user)
        await self.ensure_room_for_group(tx, user)
        await self.memberships.add(tx, group.group_id, user, Role.MEMBER, after.changed)
        await self.close_request(tx, group, user, after.changed, accepted=True)
        await self.groups.save(tx, after)
        people = await self.users.hold_cards(tx, (user,))
        fact = GroupMemberJoined(group.group_id, group.name, user, told, after.changed)
        await self.facts.append(tx, [fact], people)
        return after

    async def close_request(
        self, tx: Transaction, group: Group, user: UserId, at: datetime, *, accepted: bool = False
    ) -> bool:
        """Let *user* wait no more; whether they waited."""
        waited = await self.doors.delete_request(tx, group.group_id, user)
        if waited:
            told = tuple(await self.memberships.list_managers(tx, group.group_id))
            closed = GroupJoinRequestClosed(group.group_id, user, accepted, told, group.moment(at))
            await self.facts.append(tx, [closed], {})
        return waited

    async def ensure_room_for_group(self, tx: Transaction, user: UserId) -> None:
        """Refuse one more group of the user, whose counters are locked.

        Raises:
            GroupLimitReached: There are 50.
        """
        if await self.memberships.count_of(tx, user) >= MAX_GROUPS:
            raise GroupLimitReached

    async def dismiss(self, tx: Transaction, group: Group, user: UserId, at: datetime) -> None:
        """End the membership of *user*, who is a member and not the owner."""
        after = group.with_one_less(at)
        await self.memberships.end(tx, group.group_id, user, after.changed)
        await self.groups.save(tx, after)
        await self.facts.append(tx, [GroupMemberLeft(group.group_id, user, after.changed)], {})

    async def dissolve(self, tx: Transaction, group: Group, at: datetime) -> None:
        """End a group and all that belongs to it, but for the past of its members."""
        at = group.moment(at)
        waiting = await self.doors.list_waiting(tx, group.group_id)
        told = tuple(await self.memberships.list_managers(tx, group.group_id))
        await self.memberships.end_all(tx, group.group_id, at)
        await self.doors.delete_all(tx, group.group_id)
        await self.groups.delete(tx, group.group_id)
        closed = [GroupJoinRequestClosed(group.group_id, user, accepted=False, told=told, at=at) for user in waiting]
        await self.facts.append(tx, [*closed, GroupDeleted(group.group_id, at)], {})
