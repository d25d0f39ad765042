"""Rows of `user`: persons, as they and others see them."""

from typing import Any

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import DuplicateKey, Transaction
from firewalker.user.domain.faults import NicknameTaken, UserNotFound
from firewalker.user.domain.nickname import Nickname
from firewalker.user.domain.user import Card, User, Visibility
from firewalker.user.store.columns import uuid_of

_ADD = """
    INSERT INTO user (user_id, nickname, nickname_key, avatar_url, time_zone, visibility, create_time)
    VALUES (%(user_id)s, %(nickname)s, %(nickname_key)s, %(avatar_url)s, %(time_zone)s, %(visibility)s, %(create_time)s)
"""

_GET = """
    SELECT user.user_id, nickname, email, time_zone, create_time, avatar_url, visibility, email_verify_time IS NOT NULL
    FROM user JOIN account ON account.user_id = user.user_id
    WHERE user.user_id = %(user_id)s
"""  # primary keys of both

_FIND_CARD = "SELECT user_id, nickname, avatar_url FROM user WHERE user_id = %(user_id)s"
# primary key

_FIND_CARD_BY_NICKNAME = "SELECT user_id, nickname, avatar_url FROM user WHERE nickname_key = %(nickname_key)s"
# user_nickname

_DELETE = "DELETE FROM user WHERE user_id = %(user_id)s"
# primary key


class Users:
    """The users of this database."""

    async def add(self, tx: Transaction, user: User) -> None:
        """Add a new user.

        Raises:
            NicknameTaken: Another one has this nickname or one that looks like it.
        """
        try:
            await tx.execute(
                _ADD,
                {
                    "user_id": user.user_id,
                    "nickname": user.nickname.text,
                    "nickname_key": user.nickname.key,
                    "avatar_url": user.avatar_url,
                    "time_zone": user.time_zone,
                    "visibility": user.visibility,
                    "create_time": user.create_time,
                },
            )
        except DuplicateKey as duplicate:
            if duplicate.key == "user_nickname":
                raise NicknameTaken from None
            raise

    async def get(self, tx: Transaction, user_id: UserId) -> User:
        """The user with this id.

        Raises:
            UserNotFound: There is none.
        """
        row = await tx.find(_GET, {"user_id": user_id})
        if row is None:
            raise UserNotFound
        found, nickname, email, time_zone, create_time, avatar_url, visibility, verified = row
        return User(
            UserId(uuid_of(found)),
            Nickname(nickname),
            email,
            time_zone,
            create_time,
            avatar_url,
            Visibility(visibility),
            bool(verified),
        )

    async def get_card(self, tx: Transaction, user_id: UserId) -> Card:
        """What others see of the user with this id.

        Raises:
            UserNotFound: There is none.
        """
        row = await tx.find(_FIND_CARD, {"user_id": user_id})
        if row is None:
            raise UserNotFound
        return card_of(row)

    async def find_card_by_nickname(self, tx: Transaction, nickname: Nickname) -> Card | None:
        """What others see of the user with this nickname, without regard to case and look-alikes."""
        row = await tx.find(_FIND_CARD_BY_NICKNAME, {"nickname_key": nickname.key})
        return None if row is None else card_of(row)

    async def delete(self, tx: Transaction, user_id: UserId) -> None:
        """Remove the user: nobody finds or lists them any more, and the nickname is free."""
        await tx.execute(_DELETE, {"user_id": user_id})


def card_of(row: tuple[Any, ...]) -> Card:
    """The card in the columns `user_id, nickname, avatar_url`."""
    user_id, nickname, avatar_url = row
    return Card(UserId(uuid_of(user_id)), nickname, avatar_url)
