"""Taking in what the user service tells: who walks, and who is friends with whom."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime

from firewalker.kernel.ids import UserId
from firewalker.runtime.inbox import first_time, forget
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.step.domain.facts import Befriended, Fact, WalkerNews
from firewalker.step.store import friends, walkers


class Projections:
    """Keeps the projection of walkers and friendships.

    *announce* is told, after each commit, whose boards look different now (16-byte ids); it does not fail.
    """

    def __init__(self, database: Database, announce: Callable[[Collection[bytes]], Awaitable[None]]) -> None:
        self._database = database
        self._announce = announce

    async def take(self, facts: Sequence[Fact]) -> None:
        """Take in *facts*, all or none; durable when this returns. Those taken in before change nothing.

        They are announced all the same: the process that took them in first may have died before it could.

        Raises:
            Contention, DatabaseUnavailable: Nothing was taken in, or it is not known; deliver again.
        """
        if facts:
            await self._announce(await self._save(facts))

    @retried(idempotent=True)
    async def forget_deliveries(self, before: datetime) -> int:
        """Forget which events were taken in before that time, some of them, and tell how many: 0 when none is left."""
        async with self._database.transaction() as tx:
            return await forget(tx, before)

    @retried(idempotent=True)
    async def _save(self, facts: Sequence[Fact]) -> set[bytes]:
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
            return await _touched(tx, facts)


def _news(fact: Fact) -> tuple[WalkerNews, ...]:
    return (fact.accepter, fact.requester) if isinstance(fact, Befriended) else (fact.walker,)


async def _touched(tx: Transaction, facts: Sequence[Fact]) -> set[bytes]:
    """Whose boards show something of *facts*: the users named there and their friends."""
    named: set[UserId] = {news.user_id for fact in facts for news in _news(fact)}
    return {*(user.bytes for user in named), *await friends.list_friends_of(tx, sorted(named))}
