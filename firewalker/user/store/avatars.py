"""Rows of `avatar`: pictures that were promised a place, and what became of them. The pictures are in a `Pictures`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.avatar import Avatar, AvatarId, State
from firewalker.user.store.columns import uuid_of

# `shown` is the number of a `State`: the column is older than pictures that are removed.
_COLUMNS = "avatar_id, user_id, content_type, size_bytes, create_time, shown"

_ADD = f"""
    INSERT INTO avatar ({_COLUMNS})
    VALUES (%(avatar_id)s, %(user_id)s, %(content_type)s, %(size_bytes)s, %(create_time)s, %(shown)s)
"""

_FIND = f"SELECT {_COLUMNS} FROM avatar WHERE avatar_id = %(avatar_id)s"
# primary key

_SAVE = "UPDATE avatar SET shown = %(shown)s WHERE avatar_id = %(avatar_id)s"
# primary key

_LIST_OF = f"SELECT {_COLUMNS} FROM avatar WHERE user_id = %(user_id)s"
# avatar_of_user

_LIST_FORGOTTEN = f"""
    SELECT {_COLUMNS} FROM avatar WHERE shown IN (0, 2) AND create_time < %(before)s LIMIT %(rows)s
"""  # avatar_forgotten

_DELETE = "DELETE FROM avatar WHERE avatar_id = %(avatar_id)s"
# primary key


class Avatars:
    """The pictures of this database, by what is known of them."""

    async def add(self, tx: Transaction, avatar: Avatar) -> None:
        """Add one that was promised."""
        await tx.execute(
            _ADD,
            {
                "avatar_id": avatar.avatar_id,
                "user_id": avatar.user_id,
                "content_type": avatar.content_type,
                "size_bytes": avatar.size_bytes,
                "create_time": avatar.create_time,
                "shown": avatar.state,
            },
        )

    async def find(self, tx: Transaction, avatar_id: AvatarId) -> Avatar | None:
        """The picture with this id."""
        row = await tx.find(_FIND, {"avatar_id": avatar_id})
        return None if row is None else _avatar(row)

    async def save(self, tx: Transaction, avatar: Avatar) -> None:
        """Keep what became of it. Its user is locked."""
        await tx.execute(_SAVE, {"avatar_id": avatar.avatar_id, "shown": avatar.state})

    async def list_of(self, tx: Transaction, user_id: UserId) -> Sequence[Avatar]:
        """All of a user; there are few: but for the one that is shown they are forgotten within hours."""
        return [_avatar(row) for row in await tx.all(_LIST_OF, {"user_id": user_id})]

    async def list_forgotten(self, tx: Transaction, before: datetime, rows: int) -> Sequence[Avatar]:
        """Some that were promised before *before* and are not shown."""
        return [_avatar(row) for row in await tx.all(_LIST_FORGOTTEN, {"before": before, "rows": rows})]

    async def delete(self, tx: Transaction, avatar_id: AvatarId) -> None:
        """Remove the row. The pictures have to be gone already: nothing else knows of them."""
        await tx.execute(_DELETE, {"avatar_id": avatar_id})


def _avatar(row: tuple[Any, ...]) -> Avatar:
    avatar_id, user_id, content_type, size_bytes, create_time, state = row
    owner = UserId(uuid_of(user_id))
    return Avatar(AvatarId(uuid_of(avatar_id)), owner, content_type, size_bytes, create_time, State(state))
