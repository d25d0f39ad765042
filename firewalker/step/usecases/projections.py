"""Taking in what the user service tells: who walks, and who is friends with whom."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from firewalker.kernel.ids import UserId
from firewalker.runtime.inbox import first_time, forget
from firewalker.runtime.mysql import Database, retried
from firewalker.step.domain.facts import Befriended, Fact, WalkerNews
from firewalker.step.store import friends, walkers

WALKERS_PER_LOOK = 25
"""Walkers whose friends are looked up in one query: at most 12 500 ids, some 10 ms."""


class Announce(Protocol):
    """Tells every process whose boards look different now (`boards.announcements`); does not fail."""

    async def __call__(self, users: Collection[bytes], *, at_once: bool = True) -> None:
        """*users* are 16-byte ids. With *at_once* they are told when this returns, else in the background."""


class Projections:
    """Keeps the projection of walkers and friendships. *announce* is called after each commit."""

    def __init__(self, database: Database, announce: Announce) -> None:
        self._database = database
        self._announce = announce

    async def take(self, facts: Sequence[Fact]) -> None:
        """Take in *facts*, all or none; durable when this returns. Those taken in before change nothing.

        They are announced all the same: the process that took them in first may have died before it could. Who is named
        in them is announced before this returns; their friends, who can be 100 000, in the background: what these miss
        of it is another nickname, until their boards are read again for their age.

        Raises:
            Contention, DatabaseUnavailable: Nothing was taken in, or it is not known, or not announced; deliver again.
        """
        if not facts:
            return
        await self._save(facts)
        named = sorted({news.user_id for fact in facts for news in _news(fact)})
        await self._announce([user.bytes for user in named])
        for start in range(0, len(named), WALKERS_PER_LOOK):
            async with self._database.reading() as tx:
                touched = await friends.list_friends_of(tx, named[start : start + WALKERS_PER_LOOK])
            if touched:
                await self._announce(touched, at_once=False)

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
            await walkers.save(tx, [news for fact in fresh for news in _news(fact)])
            await friends.add(
                tx,
                [
                    (fact.accepter.user_id, fact.requester.user_id, fact.since)
                    for fact in fresh
                    if isinstance(fact, Befriended)
                ],
            )


def _news(fact: Fact) -> tuple[WalkerNews, ...]:
    return (fact.accepter, fact.requester) if isinstance(fact, Befriended) else (fact.walker,)
