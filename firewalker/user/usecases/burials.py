"""Deletions that are repeated because a database came back from an older backup, and everybody in it with it."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.personal_data import tombstones
from firewalker.user.domain.user import UserDeleted
from firewalker.user.store.accounts import Accounts
from firewalker.user.usecases.ports import Facts
from firewalker.user.usecases.removal import Removal

PAGE = 1_000
"""Tombstones read at once."""


async def buried(database: Database) -> AsyncIterator[tuple[UserId, datetime]]:
    """Everybody who was ever deleted, as one database knows it, and when. Each service's database knows it."""
    after = UserId(UUID(int=0))
    while True:
        async with database.reading() as reading:
            page = await tombstones.list_from(reading, after, PAGE)
        for user, at in page:
            yield user, at
        if len(page) < PAGE:
            return
        after = page[-1][0]


class Burials:
    """Deletes again who was deleted before, in the user service's database; the others are told."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        removal: Removal,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._removal = removal
        self._facts = facts
        self._clock = clock

    async def bury(self, user: UserId, deleted: datetime) -> bool:
        """See to it that *user*, who was *deleted* then, is deleted; whether they had come back.

        The other services are told in any case: their databases may be older too. Who had come back gets a tombstone of now,
        so that the end of their sessions is known for as long as a token of theirs may live; the running service erases the rest.
        """
        back: set[UserId] = set()
        await self._bury(user, deleted, back)
        return user in back

    @retried(idempotent=True)
    async def _bury(self, user: UserId, deleted: datetime, back: set[UserId]) -> None:
        """*back* goes from run to run: who was back in one is gone in the next if it was COMMIT that was not answered."""
        at = moment(self._clock)
        async with self._database.transaction() as tx:
            account = await self._accounts.lock(tx, user)
            if account is not None:
                back.add(user)
                await self._removal.remove(tx, account, at)
            await tombstones.add(tx, user, deleted if account is None else at)
            await self._facts.append(tx, [UserDeleted(user, at)], {})
