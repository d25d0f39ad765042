"""Finding users by the beginning of their nicknames, each with what stands between them and whoever looks."""

from collections.abc import Sequence
from dataclasses import dataclass

from firewalker.kernel.faults import PageTokenInvalid
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.friendship import Friendship, Pair
from firewalker.user.domain.user import Card
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.users import card_of

_SEARCH = """
    SELECT nickname_lower, user.user_id, nickname, avatar_url
    FROM user LEFT JOIN friendship
        ON low_id = LEAST(user.user_id, %(viewer)s) AND high_id = GREATEST(user.user_id, %(viewer)s)
    WHERE nickname_lower LIKE %(prefix)s AND nickname_lower >= %(behind)s
        AND (nickname_lower > %(behind)s OR user.user_id > %(behind_id)s)
        AND user.user_id <> %(viewer)s AND low_blocks IS NULL AND high_blocks IS NULL
    ORDER BY nickname_lower, user.user_id LIMIT %(rows)s
"""  # user_nickname_lower (a range), primary key of friendship for each

_WILD = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})


@dataclass(frozen=True, slots=True)
class Found:
    """A user who was found."""

    card: Card
    friendship: Friendship
    key: str

    @property
    def cursor(self) -> str:
        """Where the list goes on behind this row."""
        return f"{self.card.user_id} {self.key}"


async def search(
    tx: Transaction, friendships: Friendships, *, viewer: UserId, prefix: str, cursor: str | None, rows: int
) -> Sequence[Found]:
    """At most *rows* users whose nicknames begin with *prefix*, in lower case, behind *cursor*; two queries.

    Left out are the viewer, who blocks them, and whom they block.

    Raises:
        PageTokenInvalid: The cursor is none of this list's.
    """
    behind_id, behind = _behind(cursor)
    found = await tx.all(
        _SEARCH,
        {
            "viewer": viewer,
            "prefix": prefix.translate(_WILD) + "%",
            "behind": behind,
            "behind_id": behind_id,
            "rows": rows,
        },
    )
    people = [(key, card_of(tuple(card))) for key, *card in found]
    pairs = {card.user_id: Pair.of(viewer, card.user_id) for _, card in people}
    between = await friendships.list_of(tx, pairs.values())
    return [Found(card, between.get(pair := pairs[card.user_id]) or Friendship(pair), key) for key, card in people]


def _behind(cursor: str | None) -> tuple[bytes, str]:
    if cursor is None:
        return b"\0" * 16, ""
    user, _, key = cursor.partition(" ")
    user_id = parse_uuid(user)
    if user_id is None:
        raise PageTokenInvalid
    return user_id.bytes, key
