"""Asking for friendships, answering, and what waits for an answer."""

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.kernel.paging import Page
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.user.domain.faults import FriendRequestNotFound, UserNotFound
from firewalker.user.domain.friendship import (
    Change,
    Direction,
    FriendRequested,
    Friendship,
    Pair,
    ensure_not_too_many_today,
)
from firewalker.user.domain.nickname import Nickname
from firewalker.user.domain.user import Card
from firewalker.user.store.friendships import NEWEST, Friendships, Position, Row
from firewalker.user.store.limits import Limits
from firewalker.user.store.users import Users
from firewalker.user.usecases.pages import page_of
from firewalker.user.usecases.ports import Facts, moment


class FriendRequests:
    """Friend requests, as far as either side may act on them.

    Locks are taken in one order everywhere: the pair's row, then the counters of the lower id, then of the higher.
    """

    def __init__(
        self, *, database: Database, friendships: Friendships, limits: Limits, users: Users, facts: Facts, clock: Clock
    ) -> None:
        self._database = database
        self._friendships = friendships
        self._limits = limits
        self._users = users
        self._facts = facts
        self._clock = clock

    @retried(idempotent=True)
    async def send(self, caller: UserId, addressee: UserId | Nickname) -> tuple[Friendship, Card]:
        """Ask *addressee*, and tell where the pair stands now and who the other one is. Idempotent.

        Raises:
            CannotBefriendSelf: The addressee is the caller.
            UserNotFound: There is nobody of that id or nickname.
            FriendLimitReached, OutgoingRequestLimitReached, IncomingRequestLimitReached, DailyRequestLimitReached: See
                `domain.friendship`.
        """
        async with self._database.transaction() as tx:
            other = await self._card(tx, addressee)
            before = await self._friendships.lock(tx, Pair.of(caller, other.user_id))
            change = before.request(by=caller, at=moment(self._clock))
            await self._store(tx, before, change, caller, other)
        return change.after, other

    @retried(idempotent=True)
    async def accept(self, caller: UserId, requester: UserId) -> tuple[Friendship, Card]:
        """Accept *requester*'s pending request. Idempotent; committed when this returns.

        Raises:
            FriendRequestNotFound: Nothing is pending from there; from oneself nothing ever is.
            FriendLimitReached: One of the two has 500 friends.
        """
        if requester == caller:
            raise FriendRequestNotFound
        async with self._database.transaction() as tx:
            before = await self._friendships.lock(tx, Pair.of(caller, requester))
            change = before.accept(by=caller, at=moment(self._clock))
            other = await self._users.get_card(tx, requester)
            await self._store(tx, before, change, caller, other)
        return change.after, other

    async def list(self, caller: UserId, direction: Direction, size: int, cursor: str | None) -> Page[Row]:
        """Requests of that direction that wait for an answer, the newest first."""
        behind = NEWEST if cursor is None else Position.parse(cursor)
        async with self._database.reading() as reading:
            found = await self._friendships.list_requests(reading, caller, direction, behind, size + 1)
        return page_of(found, size)

    async def _card(self, tx: Transaction, of: UserId | Nickname) -> Card:
        if not isinstance(of, Nickname):
            return await self._users.get_card(tx, of)
        found = await self._users.find_card_by_nickname(tx, of)
        if found is None:
            raise UserNotFound
        return found

    async def _store(self, tx: Transaction, before: Friendship, change: Change, caller: UserId, other: Card) -> None:
        """Store a change within both users' limits, and the facts that it made. No events, no change."""
        if not change.events:
            return
        pair = change.after.pair
        counts = {user: await self._limits.lock(tx, user) for user in (pair.low, pair.high)}
        for user in (caller, other.user_id):
            moved = counts[user].moved(before.share_of(user), change.after.share_of(user))
            await self._limits.save(tx, user, moved)
        for event in change.events:
            if isinstance(event, FriendRequested):
                ensure_not_too_many_today(await self._limits.list_sent(tx, caller, event.at), event.at)
                await self._limits.add_sent(tx, caller, event.addressee, event.at)
        await self._friendships.save(tx, change.after)
        own = await self._users.get_card(tx, caller)
        await self._facts.append(tx, change.events, {own.user_id: own, other.user_id: other})
