"""Deleting an account, and erasing what is left of it."""

from collections.abc import Sequence

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Contention
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.revocation import RevocationFeed
from firewalker.user.domain.account import Account
from firewalker.user.domain.friendship import Counts, Pair
from firewalker.user.domain.session import EndReason, Session
from firewalker.user.domain.user import UserDeleted
from firewalker.user.store.accounts import Accounts
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.limits import Limits
from firewalker.user.store.sessions import Sessions as SessionStore
from firewalker.user.store.users import Users
from firewalker.user.usecases.confirmation import Confirmation
from firewalker.user.usecases.ended_sessions import end_all, revocation
from firewalker.user.usecases.ports import Facts, moment

PAIRS = 100
"""Pairs looked up at once."""


class PairErasure:
    """Takes a deleted user out of every pair, and out of the counts of the other ones."""

    def __init__(self, *, database: Database, friendships: Friendships, limits: Limits) -> None:
        self._database = database
        self._friendships = friendships
        self._limits = limits

    async def erase(self, user: UserId) -> None:
        """Repeating it is harmless; it goes on where it was interrupted."""
        while others := await self._others(user):
            for other in others:
                await self._erase(Pair.of(user, other), other)

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
        users: Users,
        sessions: SessionStore,
        confirmation: Confirmation,
        erasure: Erasure,
        revocations: RevocationFeed,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._confirmation = confirmation
        self._erasure = erasure
        self._revocations = revocations
        self._facts = facts
        self._clock = clock

    async def delete(self, caller: UserId, password: str) -> None:
        """Delete the caller's account. Committed and announced when this returns; the rest is erased in the background.

        Raises:
            BadCredentials: The password is wrong.
            RateExceeded: Too many were.
            Overloaded: Too many passwords are being checked.
            Contention: The account was changed elsewhere at this moment.
        """
        account = await self._confirmation.by_password(caller, password)
        await self._revocations.publish(map(revocation, await self._delete(account)))

    @retried
    async def _delete(self, account: Account) -> Sequence[Session]:
        at, user_id = moment(self._clock), account.user_id
        async with self._database.transaction() as tx:
            if await self._accounts.lock(tx, user_id) != account:
                raise Contention
            ended = await end_all(tx, self._sessions, user_id, EndReason.DELETED, at)
            await self._accounts.delete(tx, user_id)
            await self._users.delete(tx, user_id)
            await self._erasure.bury(tx, [user_id], at)
            await self._facts.append(tx, [UserDeleted(user_id, at)], {})
        return ended
