"""Asking for friendships, answering, and what waits for an answer."""

from collections.abc import Callable
from datetime import datetime

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.kernel.paging import Page
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.runtime.repeats import UNNAMED, Once
from firewalker.user.domain.faults import FriendRequestNotFound, InviteNotFound, UserNotFound
from firewalker.user.domain.friendship import Change, Direction, Friendship
from firewalker.user.domain.nickname import Nickname
from firewalker.user.domain.user import Card
from firewalker.user.store.friend_lists import FriendLists, Row
from firewalker.user.store.invites import Invites
from firewalker.user.store.positions import NEWEST, Position
from firewalker.user.store.users import Users
from firewalker.user.usecases.deleted_users import missing_as
from firewalker.user.usecases.pages import page_of
from firewalker.user.usecases.pairs import Pairs

Asked = tuple[Friendship, Card]
"""Where a pair stands, as the caller sees it, and who the other one is."""


class FriendRequests:
    """Friend requests, as far as either side may act on them."""

    def __init__(
        self, *, database: Database, pairs: Pairs, lists: FriendLists, users: Users, invites: Invites, clock: Clock
    ) -> None:
        self._database = database
        self._pairs = pairs
        self._lists = lists
        self._users = users
        self._invites = invites
        self._clock = clock

    @retried(idempotent=True)
    async def send(self, caller: UserId, addressee: UserId | Nickname | str, once: Once[Asked] = UNNAMED) -> Asked:
        """Ask *addressee*, given by id, nickname or invite code, and tell where the pair stands now. Idempotent.

        Raises:
            CannotBefriendSelf: The addressee is the caller.
            UserNotFound, InviteNotFound: There is nobody of that id, nickname or code.
            UserIsBlocked: The caller blocks the addressee.
            FriendLimitReached, OutgoingRequestLimitReached, IncomingRequestLimitReached, DailyRequestLimitReached: See
                `domain.friend_limits`.
        """
        async with self._database.transaction() as tx:
            await once.begin(tx)
            at = moment(self._clock)
            other = await self._card(tx, addressee)
            after = await self._pairs.change(
                tx, caller, other.user_id, lambda pair: pair.request(by=caller, at=at), make=True
            )
            asked = (after.as_seen_by(caller), other)
            await once.finish(tx, asked)
        return asked

    @retried(idempotent=True)
    async def accept(self, caller: UserId, requester: UserId) -> Asked:
        """Accept *requester*'s pending request. Idempotent; committed when this returns.

        Raises:
            FriendRequestNotFound: Nothing is pending from there; from oneself nothing ever is.
            FriendLimitReached: One of the two has 500 friends.
        """
        return await self._answer(caller, requester, lambda pair, at: pair.accept(by=caller, at=at))

    @retried(idempotent=True)
    async def decline(self, caller: UserId, requester: UserId) -> Asked:
        """Decline *requester*'s pending request, who is not told. Idempotent.

        Raises:
            FriendRequestNotFound: Nothing is pending from there; from oneself nothing ever is.
        """
        after, card = await self._answer(caller, requester, lambda pair, at: pair.decline(by=caller, at=at))
        return after.as_seen_by(caller), card

    @retried(idempotent=True)
    async def cancel(self, caller: UserId, addressee: UserId) -> None:
        """Take the caller's own request back; where there is none, nothing happens."""
        if addressee == caller:
            return
        async with self._database.transaction() as tx:
            at = moment(self._clock)
            await self._pairs.change(tx, caller, addressee, lambda pair: pair.cancel(by=caller, at=at))

    async def list(self, caller: UserId, direction: Direction, size: int, cursor: str | None) -> Page[Row]:
        """Requests of that direction that wait for an answer, the newest first."""
        behind = NEWEST if cursor is None else Position.parse(cursor)
        async with self._database.reading() as reading:
            found = await self._lists.list_requests(reading, caller, direction, behind, size + 1)
        return page_of(found, size)

    async def _answer(self, caller: UserId, requester: UserId, act: Callable[[Friendship, datetime], Change]) -> Asked:
        if requester == caller:
            raise FriendRequestNotFound
        async with self._database.transaction() as tx:
            at = moment(self._clock)
            with missing_as(FriendRequestNotFound):
                after = await self._pairs.change(tx, caller, requester, lambda pair: act(pair, at))
                return after, await self._users.get_card(tx, requester)

    async def _card(self, tx: Transaction, of: UserId | Nickname | str) -> Card:
        if isinstance(of, Nickname):
            found = await self._users.find_card_by_nickname(tx, of)
            if found is None:
                raise UserNotFound
            return found
        if isinstance(of, str):
            invite = await self._invites.find(tx, of, self._clock.now())
            if invite is None:
                raise InviteNotFound
            of = invite.user_id
        return await self._users.get_card(tx, of)
