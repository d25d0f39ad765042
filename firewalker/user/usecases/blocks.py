"""Blocks: silent refusals of one user by another."""

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.kernel.paging import Page
from firewalker.runtime.mysql import Database, retried
from firewalker.user.domain.faults import BlockLimitReached, CannotBlockSelf
from firewalker.user.domain.friend_limits import MAX_BLOCKS
from firewalker.user.store.friend_lists import FriendLists, Row
from firewalker.user.store.limits import Limits
from firewalker.user.store.positions import NEWEST, Position
from firewalker.user.store.users import Users
from firewalker.user.usecases.pages import page_of
from firewalker.user.usecases.pairs import Pairs


class Blocks:
    """Whom a user blocks."""

    def __init__(
        self, *, database: Database, pairs: Pairs, lists: FriendLists, limits: Limits, users: Users, clock: Clock
    ) -> None:
        self._database = database
        self._pairs = pairs
        self._lists = lists
        self._limits = limits
        self._users = users
        self._clock = clock

    @retried(idempotent=True)
    async def block(self, caller: UserId, user: UserId) -> Row:
        """Block *user*, who is not told. Idempotent.

        Raises:
            CannotBlockSelf: That is the caller.
            UserNotFound: There is no such user.
            BlockLimitReached: The caller blocks 1 000 users already.
        """
        if user == caller:
            raise CannotBlockSelf
        async with self._database.transaction() as tx:
            at = moment(self._clock)
            card = await self._users.get_card(tx, user)
            after = await self._pairs.change(tx, caller, user, lambda pair: pair.block(by=caller, at=at), make=True)
            await self._limits.lock(tx, caller)
            if await self._lists.count_blocks(tx, caller) > MAX_BLOCKS:
                raise BlockLimitReached
        return Row(card, after.side(caller).blocks_since or at)

    @retried(idempotent=True)
    async def unblock(self, caller: UserId, user: UserId) -> None:
        """Lift the caller's block; where there is none, nothing happens."""
        if user == caller:
            return
        async with self._database.transaction() as tx:
            at = moment(self._clock)
            await self._pairs.change(tx, caller, user, lambda pair: pair.unblock(by=caller, at=at))

    async def list(self, caller: UserId, size: int, cursor: str | None) -> Page[Row]:
        """Whom the caller blocks, the latest first."""
        behind = NEWEST if cursor is None else Position.parse(cursor)
        async with self._database.reading() as reading:
            found = await self._lists.list_blocks(reading, caller, behind, size + 1)
        return page_of(found, size)
