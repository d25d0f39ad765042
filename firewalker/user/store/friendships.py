"""Rows of `friendship`: what stands between two users. The lists that each of them sees are in `friend_lists`."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.friendship import Friendship, Pair, Reach, Side, State
from firewalker.user.domain.user import Visibility
from firewalker.user.store.columns import uuid_of

NONE, FRIENDS = 1, 4
LOW_ASKED: Final = {Reach.SEEN: 2, Reach.DECLINED: 5, Reach.SILENT: 7}
HIGH_ASKED: Final = {Reach.SEEN: 3, Reach.DECLINED: 6, Reach.SILENT: 8}
# State, asker and reach in one column: so each list is a range or two of an index.

_ASKED: Final = {
    code: (by_low, reach) for by_low, codes in ((True, LOW_ASKED), (False, HIGH_ASKED)) for reach, code in codes.items()
}

_MAKE_IF_MISSING = f"""
    INSERT INTO friendship (low_id, high_id, state, since) VALUES (%(low)s, %(high)s, {NONE}, NULL)
    ON DUPLICATE KEY UPDATE low_id = VALUES(low_id)
"""  # primary key

_COLUMNS = """
    low_id, high_id, state, since, changed,
    low_blocks, low_declined, low_shows, high_blocks, high_declined, high_shows
"""

_LOCK = f"SELECT {_COLUMNS} FROM friendship WHERE low_id = %(low)s AND high_id = %(high)s FOR UPDATE"
# primary key

_SAVE = """
    UPDATE friendship SET state = %(state)s, since = %(since)s, changed = %(changed)s,
        low_blocks = %(low_blocks)s, low_declined = %(low_declined)s, low_shows = %(low_shows)s,
        high_blocks = %(high_blocks)s, high_declined = %(high_declined)s, high_shows = %(high_shows)s
    WHERE low_id = %(low)s AND high_id = %(high)s
"""  # primary key

_OTHERS = """
    SELECT high_id FROM friendship WHERE low_id = %(user)s
    UNION ALL SELECT low_id FROM friendship WHERE high_id = %(user)s
    LIMIT %(rows)s
"""  # primary key, friendship_of_high

_DELETE = "DELETE FROM friendship WHERE low_id = %(low)s AND high_id = %(high)s"
# primary key

_LIST = f"SELECT {_COLUMNS} FROM friendship WHERE {{pairs}}"  # primary key, one row for each pair
_ONE_OF_PAIRS = "(low_id = %s AND high_id = %s)"


class Friendships:
    """The friendships of this database."""

    async def lock(self, tx: Transaction, pair: Pair) -> Friendship:
        """The pair's row, locked until *tx* ends; NONE if there is no row yet.

        The row is made first if it is missing, which takes the exclusive lock at once, so that two users who act at the
        same moment wait for each other instead of both seeing nothing.
        """
        params = {"low": pair.low, "high": pair.high}
        await tx.execute(_MAKE_IF_MISSING, params)
        return _friendship(await tx.one(_LOCK, params))

    async def lock_existing(self, tx: Transaction, pair: Pair) -> Friendship:
        """The same for what changes nothing where nothing is: without a row there is none after it, and no lock."""
        row = await tx.find(_LOCK, {"low": pair.low, "high": pair.high})
        return Friendship(pair) if row is None else _friendship(row)

    async def list_of(self, tx: Transaction, pairs: Collection[Pair]) -> dict[Pair, Friendship]:
        """What stands between *pairs*, in one query; those without a row are left out."""
        if not pairs:
            return {}
        params = [user for pair in pairs for user in (pair.low, pair.high)]
        rows = await tx.all(_LIST.format(pairs=" OR ".join([_ONE_OF_PAIRS] * len(pairs))), params)
        found = map(_friendship, rows)
        return {friendship.pair: friendship for friendship in found}

    async def save(self, tx: Transaction, friendship: Friendship) -> None:
        """Store what stands between a pair whose row is locked."""
        pair, low, high = friendship.pair, friendship.low, friendship.high
        await tx.execute(
            _SAVE,
            {
                "low": pair.low,
                "high": pair.high,
                "state": _code(friendship),
                "since": friendship.since,
                "changed": friendship.changed,
                "low_blocks": low.blocks_since,
                "low_declined": low.declined,
                "low_shows": low.shows,
                "high_blocks": high.blocks_since,
                "high_declined": high.declined,
                "high_shows": high.shows,
            },
        )

    async def list_others(self, tx: Transaction, user: UserId, rows: int) -> Sequence[UserId]:
        """Some of those with whom *user* makes up a pair, whatever its state."""
        return [UserId(uuid_of(other)) for (other,) in await tx.all(_OTHERS, {"user": user, "rows": rows})]

    async def delete(self, tx: Transaction, pair: Pair) -> None:
        """Remove a pair whose row is locked."""
        await tx.execute(_DELETE, {"low": pair.low, "high": pair.high})


def _code(friendship: Friendship) -> int:
    if friendship.state is State.REQUESTED:
        asked = LOW_ASKED if friendship.requested_by == friendship.pair.low else HIGH_ASKED
        return asked[friendship.reach]
    return FRIENDS if friendship.state is State.FRIENDS else NONE


def _friendship(row: tuple[Any, ...]) -> Friendship:
    low_id, high_id, code, since, changed = row[:5]
    pair = Pair(UserId(uuid_of(low_id)), UserId(uuid_of(high_id)))
    sides = {"low": _side(*row[5:8]), "high": _side(*row[8:11]), "changed": changed}
    if code in _ASKED:
        by_low, reach = _ASKED[code]
        return Friendship(pair, State.REQUESTED, pair.low if by_low else pair.high, since, reach, **sides)
    return Friendship(pair, State.FRIENDS if code == FRIENDS else State.NONE, None, since, **sides)


def _side(blocks: Any, declined: Any, shows: int | None) -> Side:
    return Side(blocks, declined, None if shows is None else Visibility(shows))
