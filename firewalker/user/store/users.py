"""Rows of `user`: persons, as they and others see them. Searching them is in `user_search`."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import DuplicateKey, Transaction
from firewalker.user.domain.faults import NicknameTaken, UserNotFound
from firewalker.user.domain.nickname import Nickname
from firewalker.user.domain.user import Card, User, Visibility
from firewalker.user.store.columns import uuid_of

_ADD = """
    INSERT INTO user
        (user_id, nickname, nickname_key, nickname_lower, avatar_url, time_zone, visibility, create_time, changed)
    VALUES (%(user_id)s, %(nickname)s, %(nickname_key)s, %(nickname_lower)s, %(avatar_url)s, %(time_zone)s,
        %(visibility)s, %(create_time)s, %(create_time)s)
"""

_GET = """
    SELECT user.user_id, nickname, email, time_zone, create_time, avatar_url, visibility,
        email_verify_time IS NOT NULL, daily_goal, zone_before, zone_date, changed
    FROM user JOIN account ON account.user_id = user.user_id
    WHERE user.user_id = %(user_id)s
"""  # primary keys of both

_LOCK = f"{_GET} FOR UPDATE"

_SAVE = """
    UPDATE user SET nickname = %(nickname)s, nickname_key = %(nickname_key)s, nickname_lower = %(nickname_lower)s,
        time_zone = %(time_zone)s, zone_before = %(zone_before)s, zone_date = %(zone_date)s,
        visibility = %(visibility)s, avatar_url = %(avatar_url)s, changed = %(changed)s
    WHERE user_id = %(user_id)s
"""  # primary key

_SAVE_GOAL = """
    UPDATE user SET daily_goal = %(daily_steps)s, goal_shared = %(shared)s, goal_time = %(told)s
    WHERE user_id = %(user_id)s AND goal_time <= %(told)s
"""  # primary key

_FIND_CARD = "SELECT user_id, nickname, avatar_url FROM user WHERE user_id = %(user_id)s"
# primary key

_FIND_CARD_BY_NICKNAME = "SELECT user_id, nickname, avatar_url FROM user WHERE nickname_key = %(nickname_key)s"
# user_nickname

_DELETE = "DELETE FROM user WHERE user_id = %(user_id)s"
# primary key

_HOLD_CARDS = """
    SELECT user_id, nickname, avatar_url FROM user WHERE user_id IN ({places}) LOCK IN SHARE MODE
"""  # primary key

_LIST_VISIBILITIES = "SELECT user_id, visibility FROM user WHERE user_id IN ({places})"  # primary key


class Users:
    """The users of this database."""

    async def add(self, tx: Transaction, user: User) -> None:
        """Add a new user.

        Raises:
            NicknameTaken: Another one has this nickname or one that looks like it.
        """
        await _naming(tx, _ADD, {**_params(user), "create_time": user.create_time})

    async def get(self, tx: Transaction, user_id: UserId) -> User:
        """The user with this id.

        Raises:
            UserNotFound: There is none.
        """
        return _user(await tx.find(_GET, {"user_id": user_id}))

    async def lock(self, tx: Transaction, user_id: UserId) -> User:
        """The user with this id, locked until *tx* ends.

        Raises:
            UserNotFound: There is none.
        """
        return _user(await tx.find(_LOCK, {"user_id": user_id}))

    async def save(self, tx: Transaction, user: User) -> None:
        """Store what users can change of themselves. The row is locked.

        Raises:
            NicknameTaken: Another one has this nickname or one that looks like it.
        """
        await _naming(tx, _SAVE, {**_params(user), "changed": user.changed})

    async def save_goal(
        self, tx: Transaction, user_id: UserId, daily_steps: int, told: datetime, *, shared: bool
    ) -> None:
        """Keep the goal that was told of at that time, unless a later one is known, or there is no such user."""
        await tx.execute(_SAVE_GOAL, {"user_id": user_id, "daily_steps": daily_steps, "shared": shared, "told": told})

    async def get_card(self, tx: Transaction, user_id: UserId) -> Card:
        """What others see of the user with this id.

        Raises:
            UserNotFound: There is none.
        """
        row = await tx.find(_FIND_CARD, {"user_id": user_id})
        if row is None:
            raise UserNotFound
        return card_of(row)

    async def hold_cards(self, tx: Transaction, user_ids: Collection[UserId]) -> "Cards":
        """What others see of these users, unchanged until *tx* ends: what is told of it is not older than a change."""
        places = ",".join(["%s"] * len(user_ids))
        cards = map(card_of, await tx.all(_HOLD_CARDS.format(places=places), list(user_ids)))
        return Cards((card.user_id, card) for card in cards)

    async def find_card_by_nickname(self, tx: Transaction, nickname: Nickname) -> Card | None:
        """What others see of the user with this nickname, without regard to case and look-alikes."""
        row = await tx.find(_FIND_CARD_BY_NICKNAME, {"nickname_key": nickname.key})
        return None if row is None else card_of(row)

    async def delete(self, tx: Transaction, user_id: UserId) -> None:
        """Remove the user: nobody finds or lists them any more, and the nickname is free."""
        await tx.execute(_DELETE, {"user_id": user_id})

    async def list_visibilities(self, tx: Transaction, user_ids: Collection[UserId]) -> dict[UserId, Visibility]:
        """What these users show everybody; those who do not exist are left out."""
        if not user_ids:
            return {}
        places = ",".join(["%s"] * len(user_ids))
        rows = await tx.all(_LIST_VISIBILITIES.format(places=places), list(user_ids))
        return {UserId(uuid_of(user)): Visibility(code) for user, code in rows}


class Cards(dict[UserId, Card]):
    """Cards of users. To ask for one of a user who was deleted meanwhile raises `UserNotFound`."""

    def __missing__(self, user_id: UserId) -> Card:
        raise UserNotFound


def card_of(row: tuple[Any, ...]) -> Card:
    """The card in the columns `user_id, nickname, avatar_url`."""
    user_id, nickname, avatar_url = row
    return Card(UserId(uuid_of(user_id)), nickname, avatar_url)


async def _naming(tx: Transaction, sql: str, params: dict[str, object]) -> None:
    try:
        await tx.execute(sql, params)
    except DuplicateKey as duplicate:
        if duplicate.key == "user_nickname":
            raise NicknameTaken from None
        raise


def _params(user: User) -> dict[str, object]:
    return {
        "user_id": user.user_id,
        "avatar_url": user.avatar_url,
        "nickname": user.nickname.text,
        "nickname_key": user.nickname.key,
        "nickname_lower": user.nickname.text.lower(),
        "time_zone": user.time_zone,
        "zone_before": user.zone_before,
        "zone_date": user.zone_date,
        "visibility": user.visibility,
    }


def _user(row: tuple[Any, ...] | None) -> User:
    if row is None:
        raise UserNotFound
    found, nickname, email, time_zone, create_time, avatar_url, visibility, verified, *rest = row
    return User(
        UserId(uuid_of(found)),
        Nickname(nickname),
        email or "",
        time_zone,
        create_time,
        avatar_url,
        Visibility(visibility),
        bool(verified),
        *rest,
    )
