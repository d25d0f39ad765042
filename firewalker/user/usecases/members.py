"""Members of groups: joining, waiting, leaving, roles, being sent away."""

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.faults import GroupNotFound
from firewalker.kernel.ids import UserId
from firewalker.kernel.paging import Page
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.user.domain.faults import (
    BanLimitReached,
    BannedFromGroup,
    InviteNotFound,
    JoinRequestLimitReached,
    JoinRequestNotFound,
    MemberNotFound,
    OwnerMustTransfer,
)
from firewalker.user.domain.group import (
    MAX_BANS,
    MAX_JOIN_REQUESTS,
    Group,
    GroupId,
    GroupJoinRequested,
    JoinPolicy,
    Membership,
    Role,
    ensure_may_send_away,
)
from firewalker.user.domain.user import Card
from firewalker.user.store.group_doors import JoinRequestRow
from firewalker.user.store.memberships import MemberRow
from firewalker.user.store.positions import OLDEST, Position
from firewalker.user.usecases.deleted_users import missing_as
from firewalker.user.usecases.group_rooms import GroupRooms, Place
from firewalker.user.usecases.pages import page_of


class Members:
    """Memberships, as far as users may act on their own and others'."""

    def __init__(self, *, database: Database, rooms: GroupRooms, clock: Clock) -> None:
        self._database = database
        self._rooms = rooms
        self._clock = clock

    @retried(idempotent=True)
    async def join(self, caller: UserId, group_id: GroupId | None, code: str | None) -> Place:
        """Make the caller a member, or let them wait; by id, by code, or by both. Idempotent.

        Without a membership in the answer the caller waits.

        Raises:
            GroupNotFound, InviteNotFound: There is none that the caller may know of, or none of that code.
            BannedFromGroup, GroupFull, GroupLimitReached, JoinRequestLimitReached: Not this one.
        """
        async with self._database.transaction() as tx:
            at = moment(self._clock)
            if code is not None:
                invited = await self._rooms.doors.find_invited(tx, code, at)
                if invited is None or group_id not in {None, invited}:
                    raise InviteNotFound
                group_id = invited
            group = None if group_id is None else await self._rooms.groups.lock(tx, group_id)
            if group is None:
                raise GroupNotFound
            membership = await self._rooms.memberships.find(tx, group.group_id, caller)
            if membership is not None:
                return Place(group, membership)
            if code is None and group.join_policy is JoinPolicy.CODE:
                raise GroupNotFound
            if await self._rooms.doors.is_banned(tx, group.group_id, caller):
                raise BannedFromGroup
            if code is None and group.join_policy is JoinPolicy.REQUEST:
                await self._wait(tx, group, caller)
                return Place(group, None)
            after = await self._rooms.admit(tx, group, caller, (group.owner_id,), at)
            return Place(after, Membership(caller, Role.MEMBER, after.changed))

    @retried
    async def leave(self, caller: UserId, group_id: GroupId) -> None:
        """End the caller's membership, with the last one the group, or take the caller's request back.

        Raises:
            GroupNotFound, NotAMember: There is neither.
            OwnerMustTransfer: The caller is the owner, and others are members.
        """
        async with self._database.transaction() as tx:
            at = moment(self._clock)
            place = await self._rooms.enter(tx, caller, group_id)
            if place.membership is None and await self._rooms.close_request(tx, place.group, caller, at):
                return
            if place.as_member().role is Role.OWNER:
                place.group.ensure_owner_can_leave()
                await self._rooms.dissolve(tx, place.group, at)
            else:
                await self._rooms.dismiss(tx, place.group, caller, at)

    async def list(self, caller: UserId, group_id: GroupId, size: int, cursor: str | None) -> Page[MemberRow]:
        """The members, the longest membership first; for members.

        Those between whom and the caller a block stands are shown to owner and administrators alone, who answer for them.

        Raises:
            GroupNotFound, NotAMember: The caller may not.
        """
        behind = OLDEST if cursor is None else Position.parse(cursor)
        async with self._database.reading() as tx:
            place = await self._rooms.enter(tx, caller, group_id, lock=False)
            hidden_from = None if place.as_member().role.manages else caller
            found = await self._rooms.memberships.list_members(tx, group_id, behind, size + 1, unblocked_by=hidden_from)
        return page_of(found, size)

    @retried
    async def remove(self, caller: UserId, group_id: GroupId, user: UserId) -> None:
        """Send a member away.

        Raises:
            GroupNotFound, NotAMember, GroupRoleRequired: The caller may not.
            MemberNotFound: There is no such member.
        """
        async with self._database.transaction() as tx:
            place = await self._rooms.enter(tx, caller, group_id)
            actor = place.as_manager()
            target = await self._member(tx, group_id, user)
            ensure_may_send_away(actor.role, target.role)
            await self._rooms.dismiss(tx, place.group, user, moment(self._clock))

    @retried(idempotent=True)
    async def ban(self, caller: UserId, group_id: GroupId, user: UserId) -> None:
        """Send somebody away for good, member or not. Idempotent.

        Raises:
            GroupNotFound, NotAMember, GroupRoleRequired: The caller may not.
            UserNotFound: There is no such user.
            BanLimitReached: 1 000 are banned.
        """
        async with self._database.transaction() as tx:
            at = moment(self._clock)
            place = await self._rooms.enter(tx, caller, group_id)
            actor = place.as_manager()
            await self._rooms.users.get_card(tx, user)
            target = await self._rooms.memberships.find(tx, group_id, user)
            ensure_may_send_away(actor.role, None if target is None else target.role)
            await self._rooms.doors.ban(tx, group_id, user, at)
            if await self._rooms.doors.count_bans(tx, group_id) > MAX_BANS:
                raise BanLimitReached
            await self._rooms.close_request(tx, place.group, user, at)
            if target is not None:
                await self._rooms.dismiss(tx, place.group, user, at)

    @retried(idempotent=True)
    async def unban(self, caller: UserId, group_id: GroupId, user: UserId) -> None:
        """Let somebody join again; where there is no ban, nothing happens.

        Raises:
            GroupNotFound, NotAMember, GroupRoleRequired: The caller may not.
        """
        async with self._database.transaction() as tx:
            (await self._rooms.enter(tx, caller, group_id)).as_manager()
            await self._rooms.doors.unban(tx, group_id, user)

    @retried
    async def set_role(self, caller: UserId, group_id: GroupId, user: UserId, role: Role) -> tuple[Card, Membership]:
        """Give a member a role; for the owner, who becomes an administrator by giving theirs.

        Raises:
            GroupNotFound, NotAMember, GroupRoleRequired: The caller may not.
            MemberNotFound: There is no such member.
            OwnerMustTransfer: The owner cannot just step back.
        """
        async with self._database.transaction() as tx:
            place = await self._rooms.enter(tx, caller, group_id)
            place.as_owner()
            target = await self._member(tx, group_id, user)
            if user == caller and role is not Role.OWNER:
                raise OwnerMustTransfer
            if role is Role.OWNER and user != caller:
                await self._rooms.memberships.set_role(tx, group_id, caller, Role.ADMIN)
                await self._rooms.groups.save(tx, place.group.owned_by(user, moment(self._clock)))
            await self._rooms.memberships.set_role(tx, group_id, user, role)
            with missing_as(MemberNotFound):
                card = await self._rooms.users.get_card(tx, user)
        return card, Membership(user, role, target.join_time)

    async def list_requests(
        self, caller: UserId, group_id: GroupId, size: int, cursor: str | None
    ) -> Page[JoinRequestRow]:
        """Who waits to be let in, the longest waiting first; for owner and administrators.

        Raises:
            GroupNotFound, NotAMember, GroupRoleRequired: The caller may not.
        """
        behind = OLDEST if cursor is None else Position.parse(cursor)
        async with self._database.reading() as tx:
            (await self._rooms.enter(tx, caller, group_id, lock=False)).as_manager()
            found = await self._rooms.doors.list_requests(tx, group_id, behind, size + 1)
        return page_of(found, size)

    @retried
    async def answer(self, caller: UserId, group_id: GroupId, user: UserId, *, accept: bool) -> None:
        """Let somebody in who waits, or do not; for owner and administrators.

        Raises:
            GroupNotFound, NotAMember, GroupRoleRequired: The caller may not.
            JoinRequestNotFound: Nobody of that id waits.
            GroupFull, GroupLimitReached: They cannot come in.
        """
        async with self._database.transaction() as tx:
            place = await self._rooms.enter(tx, caller, group_id)
            place.as_manager()
            if not await self._rooms.close_request(tx, place.group, user, moment(self._clock), accepted=accept):
                raise JoinRequestNotFound
            if accept:
                with missing_as(JoinRequestNotFound):
                    await self._rooms.admit(tx, place.group, user, (user,), moment(self._clock))

    async def _member(self, tx: Transaction, group_id: GroupId, user: UserId) -> Membership:
        found = await self._rooms.memberships.find(tx, group_id, user)
        if found is None:
            raise MemberNotFound
        return found

    async def _wait(self, tx: Transaction, group: Group, user: UserId) -> None:
        if await self._rooms.doors.has_request(tx, group.group_id, user):
            return
        if await self._rooms.doors.count_requests(tx, group.group_id) >= MAX_JOIN_REQUESTS:
            raise JoinRequestLimitReached
        at = group.moment(moment(self._clock))
        await self._rooms.doors.add_request(tx, group.group_id, user, at)
        told = tuple(await self._rooms.memberships.list_managers(tx, group.group_id))
        people = await self._rooms.users.hold_cards(tx, (user,))
        asked = GroupJoinRequested(group.group_id, group.name, user, told, at)
        await self._rooms.facts.append(tx, [asked], people)
