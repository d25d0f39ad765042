"""Rows of `friend_count` and `sent_friend_request`: how much of each limit of friendship a user has used."""

from collections.abc import Sequence
from datetime import datetime

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.friendship import REQUEST_DAY, Counts

_ADD = "INSERT INTO friend_count (user_id, friends, outgoing, incoming) VALUES (%(user)s, 0, 0, 0)"

_LOCK = "SELECT friends, outgoing, incoming FROM friend_count WHERE user_id = %(user)s FOR UPDATE"
# primary key

_EXIST = "SELECT 1 FROM friend_count WHERE user_id = %(user)s"
# primary key

_SAVE = """
    UPDATE friend_count SET friends = %(friends)s, outgoing = %(outgoing)s, incoming = %(incoming)s
    WHERE user_id = %(user)s
"""  # primary key

_FORGET_SENT = "DELETE FROM sent_friend_request WHERE user_id = %(user)s AND sent_time <= %(until)s"
# primary key

_LIST_SENT = """
    SELECT sent_time FROM sent_friend_request
    WHERE user_id = %(user)s AND sent_time > %(since)s ORDER BY sent_time
"""  # primary key

_ADD_SENT = """
    INSERT INTO sent_friend_request (user_id, sent_time, addressee_id) VALUES (%(user)s, %(at)s, %(addressee)s)
    ON DUPLICATE KEY UPDATE user_id = user_id
"""


class Limits:
    """The counters of this database. Lock those of two users lower id first."""

    async def add(self, tx: Transaction, user: UserId) -> None:
        """Start counting for a new user."""
        await tx.execute(_ADD, {"user": user})

    async def lock(self, tx: Transaction, user: UserId) -> Counts:
        """The user's counters, locked until *tx* ends.

        Raises:
            LookupError: There is no such user.
        """
        friends, outgoing, incoming = await tx.one(_LOCK, {"user": user})
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

    async def list_sent(self, tx: Transaction, user: UserId, at: datetime) -> Sequence[datetime]:
        """When *user*, whose counters are locked, sent requests in the 24 hours before *at*; oldest first."""
        return [time for (time,) in await tx.all(_LIST_SENT, {"user": user, "since": at - REQUEST_DAY})]

    async def add_sent(self, tx: Transaction, user: UserId, addressee: UserId, at: datetime) -> None:
        """Count a request of *user*, whose counters are locked, and forget those that do not count any more."""
        await tx.execute(_FORGET_SENT, {"user": user, "until": at - REQUEST_DAY})
        await tx.execute(_ADD_SENT, {"user": user, "at": at, "addressee": addressee})
