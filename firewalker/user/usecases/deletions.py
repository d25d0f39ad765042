"""Deleting an account, and erasing what is left of it."""

from collections.abc import Sequence

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.faults import Contention
from firewalker.kernel.ids import UserId
from firewalker.kernel.principal import Principal
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.runtime.personal_data import Erasure
from firewalker.user.domain.account import Account
from firewalker.user.domain.friend_limits import Counts
from firewalker.user.domain.friendship import Pair
from firewalker.user.domain.group import GroupId, Role
from firewalker.user.domain.session import Session
from firewalker.user.domain.user import UserDeleted
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.limits import Limits
from firewalker.user.store.positions import OLDEST
from firewalker.user.store.sessions import Sessions as SessionStore
from firewalker.user.usecases.avatars import Avatars
from firewalker.user.usecases.confirmation import Confirmation
from firewalker.user.usecases.ended_sessions import ensure_alive
from firewalker.user.usecases.group_rooms import GroupRooms
from firewalker.user.usecases.ports import Endings, Facts
from firewalker.user.usecases.provider_logins import ProviderLogins
from firewalker.user.usecases.removal import Removal

PAIRS = 100
"""Pairs looked up at once."""


class Farewell:
    """Takes a deleted user out of what belongs to others too: pairs and their counts, groups; and the pictures.

    A group whose owner is gone goes to who has managed it, else to who has been in it longest; an empty one ends.
    """

    def __init__(
        self,
        *,
        database: Database,
        friendships: Friendships,
        limits: Limits,
        rooms: GroupRooms,
        avatars: Avatars,
        clock: Clock,
    ) -> None:
        self._database = database
        self._friendships = friendships
        self._limits = limits
        self._rooms = rooms
        self._avatars = avatars
        self._clock = clock

    async def say(self, user: UserId) -> None:
        """Repeating it is harmless; it goes on where it was interrupted. Pictures last: where they are may be away for long."""
        async with self._database.reading() as reading:
            intervals = await self._rooms.memberships.list_intervals(reading, user, None)
        for interval in intervals:
            if interval.leave_time is None:
                await self._leave(user, interval.group_id)
        while others := await self._others(user):
            for other in others:
                await self._erase(Pair.of(user, other), other)
        await self._avatars.erase(user)

    @retried(idempotent=True)
    async def _leave(self, user: UserId, group_id: GroupId) -> None:
        rooms, at = self._rooms, moment(self._clock)
        async with self._database.transaction() as tx:
            group = await rooms.groups.lock(tx, group_id)
            membership = await rooms.memberships.find(tx, group_id, user)
            if group is None or membership is None:
                return
            if membership.role is Role.OWNER:
                heir = await self._heir(tx, group_id, user)
                if heir is None:
                    await rooms.dissolve(tx, group, at)
                    return
                await rooms.memberships.set_role(tx, group_id, user, Role.MEMBER)
                await rooms.memberships.set_role(tx, group_id, heir, Role.OWNER)
                group = group.owned_by(heir, at)
            await rooms.dismiss(tx, group, user, at)

    async def _heir(self, tx: Transaction, group_id: GroupId, owner: UserId) -> UserId | None:
        managers = [user for user in await self._rooms.memberships.list_managers(tx, group_id) if user != owner]
        if managers:
            return managers[0]
        members = await self._rooms.memberships.list_members(tx, group_id, OLDEST, 2)
        return next((row.card.user_id for row in members if row.card.user_id != owner), None)

    async def _others(self, user: UserId) -> Sequence[UserId]:
        async with self._database.reading() as reading:
            return await self._friendships.list_others(reading, user, PAIRS)

    @retried(idempotent=True)
    async def _erase(self, pair: Pair, other: UserId) -> None:
        async with self._database.transaction() as tx:
            friendship = await self._friendships.lock(tx, pair)
            share = friendship.share_of(other)
            if share != Counts() and await self._limits.exist(tx, other):
                counts = await self._limits.lock(tx, other)
                await self._limits.save(tx, other, counts.moved(share, Counts()))
            await self._friendships.delete(tx, pair)


class Deletions:
    """Accounts that their owners delete."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        sessions: SessionStore,
        removal: Removal,
        confirmation: Confirmation,
        providers: ProviderLogins,
        erasure: Erasure,
        endings: Endings,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._sessions = sessions
        self._removal = removal
        self._confirmation = confirmation
        self._providers = providers
        self._erasure = erasure
        self._endings = endings
        self._facts = facts
        self._clock = clock

    async def delete(self, caller: Principal, password: str | None, id_token: str | None) -> None:
        """Delete the caller's account, shown to be theirs by its password or else an *id_token* of a linked identity.

        Committed and announced when this returns; the rest is erased in the background.

        Raises:
            BadCredentials: The password is wrong, or the identity is not linked.
            IdTokenInvalid, ProviderNotOffered, ProviderUnavailable: See `IdTokens`.
            RateExceeded: Too many were.
            Overloaded: Too many passwords are being checked.
            Contention: The account was changed elsewhere at this moment.
            SessionRevoked: The caller's session has ended since the call came in.
        """
        if id_token and not password:
            account = await self._providers.confirm(caller.user_id, id_token)
        else:
            account = await self._confirmation.by_password(caller.user_id, password or "")
        await self._endings.tell(await self._delete(account, caller))

    @retried
    async def _delete(self, account: Account, caller: Principal) -> Sequence[Session]:
        at, user_id = moment(self._clock), account.user_id
        async with self._database.transaction() as tx:
            if await self._accounts.lock(tx, user_id) != account:
                raise Contention
            await ensure_alive(tx, self._sessions, caller, at)
            ended = await self._removal.remove(tx, account, at)
            await self._erasure.bury(tx, [user_id], at)
            await self._facts.append(tx, [UserDeleted(user_id, at)], {})
        return ended
