"""Rows of `friendship`: what stands between two users, and the lists that each of them sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from firewalker.kernel.faults import PageTokenInvalid
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.friendship import Direction, Friendship, Pair, State
from firewalker.user.domain.user import Card
from firewalker.user.store.columns import uuid_of
from firewalker.user.store.users import card_of

_NONE, _LOW_ASKED, _HIGH_ASKED, _FRIENDS = 1, 2, 3, 4
# State and asker in one column: so each list below is one range of an index.

_MAKE_IF_MISSING = f"""
    INSERT INTO friendship (low_id, high_id, state, since) VALUES (%(low)s, %(high)s, {_NONE}, NULL)
    ON DUPLICATE KEY UPDATE low_id = low_id
"""  # primary key

_LOCK = "SELECT state, since FROM friendship WHERE low_id = %(low)s AND high_id = %(high)s FOR UPDATE"
# primary key

_SAVE = "UPDATE friendship SET state = %(state)s, since = %(since)s WHERE low_id = %(low)s AND high_id = %(high)s"
# primary key

_OTHERS = """
    SELECT high_id FROM friendship WHERE low_id = %(user)s
    UNION ALL SELECT low_id FROM friendship WHERE high_id = %(user)s
    LIMIT %(rows)s
"""  # primary key, friendship_of_high

_DELETE = "DELETE FROM friendship WHERE low_id = %(low)s AND high_id = %(high)s"
# primary key

_LIST = """
    SELECT since, user.user_id, nickname, avatar_url
    FROM (
        (SELECT high_id AS other_id, since FROM friendship
         WHERE low_id = %(user)s AND state = %(state_if_low)s
           AND (since {behind} %(since)s OR (since = %(since)s AND high_id {behind} %(other)s))
         ORDER BY since {order}, high_id {order} LIMIT %(rows)s)
        UNION ALL
        (SELECT low_id AS other_id, since FROM friendship
         WHERE high_id = %(user)s AND state = %(state_if_high)s
           AND (since {behind} %(since)s OR (since = %(since)s AND low_id {behind} %(other)s))
         ORDER BY since {order}, low_id {order} LIMIT %(rows)s)
    ) AS other JOIN user ON user.user_id = other.other_id
    ORDER BY since {order}, other.other_id {order} LIMIT %(rows)s
"""  # friendship_of_low and friendship_of_high, then the primary key of user

_LIST_OLDEST_FIRST = _LIST.format(behind=">", order="ASC")
_LIST_NEWEST_FIRST = _LIST.format(behind="<", order="DESC")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: behind the row with this time and this other user."""

    since: datetime
    other: UserId

    @property
    def text(self) -> str:
        """The position as a cursor."""
        return f"{self.since.isoformat()} {self.other}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read a cursor back.

        Raises:
            PageTokenInvalid: It is none of this list's.
        """
        since, _, other = text.partition(" ")
        other_id = parse_uuid(other)
        try:
            at = datetime.fromisoformat(since)
        except ValueError:
            raise PageTokenInvalid from None
        if other_id is None or at.tzinfo is None:
            raise PageTokenInvalid
        return cls(at, UserId(other_id))


OLDEST = Position(datetime(1970, 1, 1, tzinfo=UTC), UserId(UUID(int=0)))
"""Where a list with the oldest first begins."""

NEWEST = Position(datetime(9999, 1, 1, tzinfo=UTC), UserId(UUID(int=2**128 - 1)))
"""Where a list with the newest first begins."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list: the other user, and since when the pair stands as it does."""

    card: Card
    since: datetime

    @property
    def position(self) -> Position:
        """Where the list goes on behind this row."""
        return Position(self.since, self.card.user_id)


class Friendships:
    """The friendships of this database."""

    async def lock(self, tx: Transaction, pair: Pair) -> Friendship:
        """The pair's row, locked until *tx* ends; NONE if there is no row yet.

        The row is made first if it is missing, which takes the exclusive lock at once, so that two users who act at the
        same moment wait for each other instead of both seeing nothing.
        """
        params = {"low": pair.low, "high": pair.high}
        await tx.execute(_MAKE_IF_MISSING, params)
        return _friendship(pair, await tx.one(_LOCK, params))

    async def save(self, tx: Transaction, friendship: Friendship) -> None:
        """Store the state of a pair whose row is locked."""
        pair = friendship.pair
        await tx.execute(
            _SAVE,
            {"low": pair.low, "high": pair.high, "state": _code(friendship), "since": friendship.since},
        )

    async def list_others(self, tx: Transaction, user: UserId, rows: int) -> Sequence[UserId]:
        """Some of those with whom *user* makes up a pair, whatever its state."""
        return [UserId(uuid_of(other)) for (other,) in await tx.all(_OTHERS, {"user": user, "rows": rows})]

    async def delete(self, tx: Transaction, pair: Pair) -> None:
        """Remove a pair whose row is locked."""
        await tx.execute(_DELETE, {"low": pair.low, "high": pair.high})

    async def list_friends(self, tx: Transaction, user: UserId, behind: Position, rows: int) -> Sequence[Row]:
        """At most *rows* friends of *user* behind that position, the longest friendship first."""
        states = {"state_if_low": _FRIENDS, "state_if_high": _FRIENDS}
        return await _list(tx, _LIST_OLDEST_FIRST, {"user": user, "rows": rows, **states}, behind)

    async def list_requests(
        self, tx: Transaction, user: UserId, direction: Direction, behind: Position, rows: int
    ) -> Sequence[Row]:
        """At most *rows* pending requests to or from *user* behind that position, the newest first."""
        if direction is Direction.OUTGOING:
            states = {"state_if_low": _LOW_ASKED, "state_if_high": _HIGH_ASKED}
        else:
            states = {"state_if_low": _HIGH_ASKED, "state_if_high": _LOW_ASKED}
        return await _list(tx, _LIST_NEWEST_FIRST, {"user": user, "rows": rows, **states}, behind)


async def _list(tx: Transaction, sql: str, params: dict[str, object], behind: Position) -> Sequence[Row]:
    found = await tx.all(sql, {**params, "since": behind.since, "other": behind.other})
    return [Row(card_of(row[1:]), row[0]) for row in found]


def _code(friendship: Friendship) -> int:
    if friendship.state is State.FRIENDS:
        return _FRIENDS
    if friendship.state is State.NONE:
        return _NONE
    return _LOW_ASKED if friendship.requested_by == friendship.pair.low else _HIGH_ASKED


def _friendship(pair: Pair, row: tuple[Any, ...]) -> Friendship:
    code, since = row
    if code == _FRIENDS:
        return Friendship(pair, State.FRIENDS, None, since)
    if code == _NONE:
        return Friendship(pair)
    return Friendship(pair, State.REQUESTED, pair.low if code == _LOW_ASKED else pair.high, since)
