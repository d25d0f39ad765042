"""Rows of `friend_count` and `used_quota`: how much of each limit a user has used."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.faults import UserNotFound
from firewalker.user.domain.friend_limits import A_DAY, Counts, Quota

_ADD = "INSERT INTO friend_count (user_id, friends, outgoing, incoming) VALUES (%(user)s, 0, 0, 0)"

_LOCK = "SELECT friends, outgoing, incoming FROM friend_count WHERE user_id = %(user)s FOR UPDATE"
# primary key

_EXIST = "SELECT 1 FROM friend_count WHERE user_id = %(user)s"
# primary key

_SAVE = """
    UPDATE friend_count SET friends = %(friends)s, outgoing = %(outgoing)s, incoming = %(incoming)s
    WHERE user_id = %(user)s
"""  # primary key

_FORGET_USES = "DELETE FROM used_quota WHERE user_id = %(user)s AND quota = %(quota)s AND used_time <= %(until)s"
# primary key

_LIST_USES = """
    SELECT used_time FROM used_quota
    WHERE user_id = %(user)s AND quota = %(quota)s AND used_time > %(since)s ORDER BY used_time
"""  # primary key

_ADD_USE = """
    INSERT INTO used_quota (user_id, quota, used_time, about_id) VALUES (%(user)s, %(quota)s, %(at)s, %(about)s)
    ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)
"""


class Limits:
    """The counters of this database. Lock those of two users lower id first."""

    async def add(self, tx: Transaction, user: UserId) -> None:
        """Start counting for a new user."""
        await tx.execute(_ADD, {"user": user})

    async def lock(self, tx: Transaction, user: UserId) -> Counts:
        """The user's counters, locked until *tx* ends.

        Raises:
            UserNotFound: There is no such user; who was erased just now is none either.
        """
        row = await tx.find(_LOCK, {"user": user})
        if row is None:
            raise UserNotFound
        friends, outgoing, incoming = row
        return Counts(friends, outgoing, incoming)

    async def exist(self, tx: Transaction, user: UserId) -> bool:
        """Whether the user has counters: nobody who was erased has."""
        return await tx.find(_EXIST, {"user": user}) is not None

    async def save(self, tx: Transaction, user: UserId, counts: Counts) -> None:
        """Store counters that are locked."""
        await tx.execute(
            _SAVE,
            {"user": user, "friends": counts.friends, "outgoing": counts.outgoing, "incoming": counts.incoming},
        )

    async def use(self, tx: Transaction, user: UserId, quota: Quota, about: UUID, at: datetime) -> None:
        """Count one use of *quota* by *user*, whose counters are locked, and forget those that do not count any more.

        Raises:
            Fault: The quota's own: nothing is left of it.
        """
        quota.ensure_left(await self._list_uses(tx, user, quota, at), at)
        params = {"user": user, "quota": quota.code}
        await tx.execute(_FORGET_USES, {**params, "until": at - A_DAY})
        await tx.execute(_ADD_USE, {**params, "at": at, "about": about})

    async def _list_uses(self, tx: Transaction, user: UserId, quota: Quota, at: datetime) -> Sequence[datetime]:
        """When *user* used *quota* in the 24 hours before *at*; oldest first."""
        rows = await tx.all(_LIST_USES, {"user": user, "quota": quota.code, "since": at - A_DAY})
        return [time for (time,) in rows]
