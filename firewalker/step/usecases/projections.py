"""Taking in what the user service tells: who walks, who is who to whom, and who shows what."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from firewalker.kernel.ids import UserId
from firewalker.runtime.inbox import first_time, forget
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.personal_data import tombstones
from firewalker.step.domain.facts import (
    Befriended,
    Blocked,
    Fact,
    GroupDeleted,
    GroupNamed,
    Joined,
    Left,
    Moved,
    Parted,
    Veiled,
    VeiledFor,
    WalkerNews,
    groups_named,
    named,
    news,
)
from firewalker.step.store import bonds, friends, groups, walkers

F = TypeVar("F")

WALKERS_PER_LOOK = 25
"""Walkers whose friends are looked up in one query: at most 12 500 ids, some 10 ms."""


class Announce(Protocol):
    """Tells every process whose boards look different now (`boards.announcements`); does not fail."""

    async def __call__(self, users: Collection[bytes], *, at_once: bool = True) -> None:
        """*users* are 16-byte ids. With *at_once* they are told when this returns, else in the background."""


class Projections:
    """Keeps the projection of walkers and what stands between them. *announce* is called after each commit."""

    def __init__(self, database: Database, announce: Announce) -> None:
        self._database = database
        self._announce = announce

    async def take(self, facts: Sequence[Fact]) -> None:
        """Take in *facts*, all or none; durable when this returns. Those taken in before change nothing.

        They are announced all the same: the process that took them in first may have died before it could. Who is named
        in them is announced before this returns; their friends, who can be 100 000, in the background, which is a matter
        of milliseconds while Redis is there.

        Raises:
            Contention, DatabaseUnavailable: Nothing was taken in, or it is not known, or not announced; deliver again.
        """
        if not facts:
            return
        await self._save(facts)
        users = sorted({user for fact in facts for user in named(fact)})
        # Ids of groups too: to those who listen an id is an id.
        of_groups = sorted({group for fact in facts for group in groups_named(fact)})
        await self._announce([named_id.bytes for named_id in (*users, *of_groups)])
        for start in range(0, len(users), WALKERS_PER_LOOK):
            async with self._database.reading() as tx:
                touched = await friends.list_friends_of(tx, users[start : start + WALKERS_PER_LOOK])
            if touched:
                await self._announce(touched, at_once=False)

    async def introduce(self, walker: WalkerNews) -> bool:
        """Take in who a *walker* is, of whom no event has told; durable when this returns. False: they were deleted.

        Where an event has told after all, it stands. Repeating it is harmless.

        Raises:
            Contention, DatabaseUnavailable, DeadlineExceeded, Overloaded: Not taken in, or it is not known.
        """
        if not await self._introduce(walker):
            return False
        await self._announce([walker.user_id.bytes])
        return True

    @retried(idempotent=True)
    async def _introduce(self, walker: WalkerNews) -> bool:
        async with self._database.transaction() as tx:
            # Whoever is deleted behind this look is erased again later, as what arrives late of anybody deleted.
            if await tombstones.list_among(tx, [walker.user_id]):
                return False
            await walkers.save(tx, [walker])
        return True

    async def remove(self, user: UserId) -> None:
        """Take *user*, who was deleted, off every board. Repeating it is harmless."""
        async with self._database.reading() as tx:
            touched = await friends.list_friends_of(tx, [user])
        await self._remove(user)
        await self._announce([user.bytes, *touched])

    @retried(idempotent=True)
    async def _remove(self, user: UserId) -> None:
        async with self._database.transaction() as tx:
            await friends.remove_of(tx, user)

    @retried(idempotent=True)
    async def forget_deliveries(self, before: datetime) -> int:
        """Forget which events were taken in before that time, some of them, and tell how many: 0 when none is left."""
        async with self._database.transaction() as tx:
            return await forget(tx, before)

    @retried(idempotent=True)
    async def _save(self, facts: Sequence[Fact]) -> None:
        async with self._database.transaction() as tx:
            new = await first_time(tx, [fact.event_id for fact in facts])
            fresh = [fact for fact in facts if fact.event_id in new]
            await walkers.save(tx, [one for fact in fresh for one in news(fact)])
            await walkers.move(tx, _only(Moved, fresh))
            await bonds.veil(tx, _only(Veiled, fresh))
            befriended = _only(Befriended, fresh)
            await bonds.befriend(
                tx, [(one.accepter.user_id, one.requester.user_id, one.since, one.accepter.told) for one in befriended]
            )
            blocks = _only(Blocked, fresh)
            await bonds.part(tx, [*_only(Parted, fresh), *(one for one in blocks if not one.lifted)])
            await bonds.veil_for(tx, _only(VeiledFor, fresh))
            await bonds.block(tx, blocks)
            joined = _only(Joined, fresh)
            await groups.name(tx, [*_only(GroupNamed, fresh), *joined])
            await groups.delete(tx, _only(GroupDeleted, fresh))
            await groups.change(tx, [*joined, *_only(Left, fresh)])


def _only(kind: type[F], facts: Sequence[Fact]) -> list[F]:
    return [fact for fact in facts if isinstance(fact, kind)]
