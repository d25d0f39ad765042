"""Changing what stands between two users: the one way in which its row, both users' limits and the outbox change together."""

from collections.abc import Callable

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.friend_limits import REQUESTS
from firewalker.user.domain.friendship import Change, Friendship, Pair, State
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.limits import Limits
from firewalker.user.store.users import Users
from firewalker.user.usecases.ports import Facts


class Pairs:
    """Locks are taken in one order everywhere: the pair's row, the counters of the lower id, of the higher, the cards."""

    def __init__(self, *, friendships: Friendships, limits: Limits, users: Users, facts: Facts) -> None:
        self._friendships = friendships
        self._limits = limits
        self._users = users
        self._facts = facts

    async def change(
        self, tx: Transaction, caller: UserId, other: UserId, act: Callable[[Friendship], Change], *, make: bool = False
    ) -> Friendship:
        """Have *caller* do something to what stands between them and *other*, and tell what stands now.

        *make*: it can begin something, so that the row has to be there to be locked; *other* exists.

        Raises:
            Fault: What *act* refuses, or a limit that it would break; see `domain.friend_limits`.
        """
        lock = self._friendships.lock if make else self._friendships.lock_existing
        change = act(await lock(tx, Pair.of(caller, other)))
        if change.changed:
            await self._count(tx, change, caller)
            await self._friendships.save(tx, change.after)
            if change.events:
                people = await self._users.hold_cards(tx, (caller, other))
                await self._facts.append(tx, change.events, people)
        return change.after

    async def _count(self, tx: Transaction, change: Change, caller: UserId) -> None:
        before, after = change.before, change.after
        pair = after.pair
        users = (pair.low, pair.high)
        if not change.asks and all(before.share_of(user) == after.share_of(user) for user in users):
            return
        counts = {user: await self._limits.lock(tx, user) for user in users}
        for user in (caller, pair.other(caller)):
            moved = counts[user].moved(before.share_of(user), after.share_of(user))
            await self._limits.save(tx, user, moved)
        if change.asks and after.since is not None:
            if before.state is State.NONE:
                counts[pair.other(caller)].ensure_room_for_request()
            await self._limits.use(tx, caller, REQUESTS, pair.other(caller), after.since)
