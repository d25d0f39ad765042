"""Messages on their way that tell of somebody whom they must not tell of any more: taken back, and their rest planned again."""

from collections.abc import Collection

from firewalker.kernel.clock import Clock, moment
from firewalker.kernel.ids import UserId
from firewalker.notification.domain.notification import Type
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.store.recipients import Recipients
from firewalker.runtime.mysql import Database, Transaction, retried


class TakingBack:
    """Takes messages back, whether they lead with somebody or only count them."""

    def __init__(
        self, database: Database, clock: Clock, *, recipients: Recipients, pushes: Pushes, deliveries: Deliveries
    ) -> None:
        self._db = database
        self._clock = clock
        self._recipients = recipients
        self._pushes = pushes
        self._deliveries = deliveries

    async def take_back(
        self,
        tx: Transaction,
        users: Collection[UserId],
        actor: UserId,
        *,
        kind: Type | None = None,
        fold_key: str | None = None,
    ) -> None:
        """Send *users*, whose rows are locked, nothing of *actor* any more; whom else a message tells of, they still hear of.

        A device that has the message already hears of the others once more: better than another that never does.
        """
        if not users:
            return
        about = await self._pushes.list_about(tx, users, actor)
        taken = await self._deliveries.take_back(tx, users, actor, about, kind=kind, fold_key=fold_key)
        await self._pushes.end_unsent(tx, taken.ended)
        await self._pushes.plan_again(tx, taken.rest, moment(self._clock))

    @retried(idempotent=True)
    async def take_back_all(self, gone: UserId) -> None:
        """Send nobody anything of *gone*, who was deleted."""
        async with self._db.transaction() as tx:
            users = await self._pushes.list_with_messages(tx, gone)
            await self._recipients.lock(tx, users)
            await self.take_back(tx, users, gone)
