"""Friends: listing them, showing them more or less, cheering them, parting from them."""

from uuid import UUID

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.kernel.paging import Page
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.repeats import UNNAMED, Once
from firewalker.user.domain.cheer import CheerKind, CheerSent
from firewalker.user.domain.faults import FriendNotFound
from firewalker.user.domain.friend_limits import CHEERS
from firewalker.user.domain.friendship import Pair, State
from firewalker.user.domain.user import Visibility
from firewalker.user.store.friend_lists import FriendLists, Row
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.limits import Limits
from firewalker.user.store.positions import OLDEST, Position
from firewalker.user.store.users import Users
from firewalker.user.usecases.pages import page_of
from firewalker.user.usecases.pairs import Pairs
from firewalker.user.usecases.ports import Facts


class Friends:
    """A user's friends."""

    def __init__(
        self,
        *,
        database: Database,
        pairs: Pairs,
        friendships: Friendships,
        lists: FriendLists,
        limits: Limits,
        users: Users,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._pairs = pairs
        self._friendships = friendships
        self._lists = lists
        self._limits = limits
        self._users = users
        self._facts = facts
        self._clock = clock

    async def list(self, caller: UserId, size: int, cursor: str | None) -> Page[Row]:
        """The caller's friends, the longest friendship first."""
        behind = OLDEST if cursor is None else Position.parse(cursor)
        async with self._database.reading() as reading:
            found = await self._lists.list_friends(reading, caller, behind, size + 1)
        return page_of(found, size)

    @retried(idempotent=True)
    async def remove(self, caller: UserId, friend: UserId) -> None:
        """End the friendship, without a word; where there is none, nothing happens."""
        if friend == caller:
            return
        async with self._database.transaction() as tx:
            at = moment(self._clock)
            await self._pairs.change(tx, caller, friend, lambda pair: pair.remove(by=caller, at=at))

    @retried(idempotent=True)
    async def show(self, caller: UserId, friend: UserId, visibility: Visibility | None) -> Row:
        """Show one friend more or less than the others, or, with None, the same. Idempotent.

        Raises:
            FriendNotFound: They are no friends.
        """
        if friend == caller:
            raise FriendNotFound
        async with self._database.transaction() as tx:
            at = moment(self._clock)
            after = await self._pairs.change(
                tx, caller, friend, lambda pair: pair.show(by=caller, visibility=visibility, at=at)
            )
            rows = await self._lists.list_friends(tx, caller, Position(after.since or at, _before(friend)), 1)
            if not rows or rows[0].card.user_id != friend:
                raise FriendNotFound  # deleted, and not erased yet
        return rows[0]

    @retried
    async def cheer(self, caller: UserId, friend: UserId, kind: CheerKind, once: Once[None] = UNNAMED) -> None:
        """Cheer a friend, who is told.

        Raises:
            FriendNotFound: They are no friends.
            DailyCheerLimitReached: The caller has cheered 20 times in 24 hours.
        """
        if friend == caller:
            raise FriendNotFound
        async with self._database.transaction() as tx:
            await once.begin(tx)
            at = moment(self._clock)
            # Locked: whoever ends the friendship meanwhile is not cheered any more after that.
            pair = await self._friendships.lock_existing(tx, Pair.of(caller, friend))
            if pair.state is not State.FRIENDS:
                raise FriendNotFound
            await self._limits.lock(tx, caller)
            await self._limits.use(tx, caller, CHEERS, friend, at)
            people = await self._users.hold_cards(tx, (caller,))
            await self._facts.append(tx, [CheerSent(caller, friend, kind, at)], people)
            await once.finish(tx, None)


def _before(user: UserId) -> UserId:
    """The id right before that one."""
    return UserId(UUID(int=user.int - 1))
