"""Lists of friends, requests and blocks, as one user sees them: each page is one query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.friendship import Direction, Reach
from firewalker.user.domain.user import Card, Visibility
from firewalker.user.store.friendships import FRIENDS, HIGH_ASKED, LOW_ASKED
from firewalker.user.store.positions import Position
from firewalker.user.store.users import card_of

_PAGE = """
    SELECT since, user_id, nickname, avatar_url, goal, shows
    FROM (
        (SELECT {time_if_low} AS since, user_id, nickname, avatar_url, IF(goal_shared, daily_goal, NULL) AS goal,
            low_shows AS shows
         FROM friendship JOIN user ON user_id = high_id
         WHERE low_id = %(user)s AND {which_if_low}
           AND ({time_if_low} {behind} %(since)s OR ({time_if_low} = %(since)s AND high_id {behind} %(other)s))
         ORDER BY {time_if_low} {order}, high_id {order} LIMIT %(rows)s)
        UNION ALL
        (SELECT {time_if_high} AS since, user_id, nickname, avatar_url, IF(goal_shared, daily_goal, NULL) AS goal,
            high_shows AS shows
         FROM friendship JOIN user ON user_id = low_id
         WHERE high_id = %(user)s AND {which_if_high}
           AND ({time_if_high} {behind} %(since)s OR ({time_if_high} = %(since)s AND low_id {behind} %(other)s))
         ORDER BY {time_if_high} {order}, low_id {order} LIMIT %(rows)s)
    ) AS other
    ORDER BY since {order}, user_id {order} LIMIT %(rows)s
"""  # friendship_of_low and friendship_of_high, or those of blocks; then the primary key of user


def _page(if_low: str, if_high: str, *, newest_first: bool, low: str = "since", high: str = "since") -> str:
    behind, order = ("<", "DESC") if newest_first else (">", "ASC")
    return _PAGE.format(
        which_if_low=if_low, which_if_high=if_high, time_if_low=low, time_if_high=high, behind=behind, order=order
    )


def _any_of(codes: dict[Reach, int]) -> str:
    return f"state IN ({', '.join(map(str, codes.values()))})"


_LIST_FRIENDS = _page(f"state = {FRIENDS}", f"state = {FRIENDS}", newest_first=False)

_LIST_REQUESTS = {
    # At most 100 rows, however few of them the page shows.
    Direction.OUTGOING: _page(_any_of(LOW_ASKED), _any_of(HIGH_ASKED), newest_first=True),
    Direction.INCOMING: _page(
        f"state = {HIGH_ASKED[Reach.SEEN]}", f"state = {LOW_ASKED[Reach.SEEN]}", newest_first=True
    ),
}

_LIST_BLOCKS = _page("TRUE", "TRUE", newest_first=True, low="low_blocks", high="high_blocks")

_COUNT_BLOCKS = """
    SELECT (SELECT COUNT(*) FROM friendship WHERE low_id = %(user)s AND low_blocks IS NOT NULL)
        + (SELECT COUNT(*) FROM friendship WHERE high_id = %(user)s AND high_blocks IS NOT NULL)
"""  # friendship_low_blocks, friendship_high_blocks

_CIRCLE = f"""
    SELECT user.user_id, nickname, avatar_url, time_zone, visibility, since, high_shows, low_shows
    FROM friendship JOIN user ON user.user_id = high_id WHERE low_id = %(user)s AND state = {FRIENDS}
    UNION ALL
    SELECT user.user_id, nickname, avatar_url, time_zone, visibility, since, low_shows, high_shows
    FROM friendship JOIN user ON user.user_id = low_id WHERE high_id = %(user)s AND state = {FRIENDS}
"""  # friendship_of_low and friendship_of_high, then the primary key of user


@dataclass(frozen=True, slots=True)
class CircleRow:
    """A friend of whose circle it is. *shows* and *is_shown* are what the two show each other, if set."""

    card: Card
    time_zone: str
    shows_everybody: Visibility
    since: datetime
    shows: Visibility | None
    is_shown: Visibility | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list: the other user, and since when the pair stands as it does.

    *daily_goal* is there if the other shares it; *shows* is what the list's user shows the other, if set.
    """

    card: Card
    since: datetime
    daily_goal: int | None = None
    shows: Visibility | None = None

    @property
    def cursor(self) -> str:
        """Where the list goes on behind this row."""
        return Position(self.since, self.card.user_id).text


class FriendLists:
    """The lists of this database."""

    async def list_friends(self, tx: Transaction, user: UserId, behind: Position, rows: int) -> Sequence[Row]:
        """At most *rows* friends of *user* behind that position, the longest friendship first."""
        return await _list(tx, _LIST_FRIENDS, user, behind, rows)

    async def list_requests(
        self, tx: Transaction, user: UserId, direction: Direction, behind: Position, rows: int
    ) -> Sequence[Row]:
        """At most *rows* pending requests to or from *user* behind that position, the newest first.

        Those from *user* include those that reach nobody; those to *user* do not.
        """
        return await _list(tx, _LIST_REQUESTS[direction], user, behind, rows)

    async def list_blocks(self, tx: Transaction, user: UserId, behind: Position, rows: int) -> Sequence[Row]:
        """At most *rows* users whom *user* blocks behind that position, the latest first."""
        return await _list(tx, _LIST_BLOCKS, user, behind, rows)

    async def list_circle(self, tx: Transaction, user: UserId) -> Sequence[CircleRow]:
        """All friends of *user*, at most 500, the longest friendship first."""
        rows = await tx.all(_CIRCLE, {"user": user})
        found = [
            CircleRow(card_of(row[:3]), row[3], Visibility(row[4]), row[5], _setting(row[6]), _setting(row[7]))
            for row in rows
        ]
        return sorted(found, key=lambda row: (row.since, row.card.user_id))

    async def count_blocks(self, tx: Transaction, user: UserId) -> int:
        """How many users *user*, whose counters are locked, blocks."""
        return int((await tx.one(_COUNT_BLOCKS, {"user": user}))[0])


async def _list(tx: Transaction, sql: str, user: UserId, behind: Position, rows: int) -> Sequence[Row]:
    found = await tx.all(sql, {"user": user, "rows": rows, "since": behind.since, "other": behind.other})
    return [Row(card_of(row[1:4]), row[0], row[4], _setting(row[5])) for row in found]


def _setting(code: int | None) -> Visibility | None:
    return None if code is None else Visibility(code)
