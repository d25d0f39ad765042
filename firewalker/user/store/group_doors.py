"""Rows of `group_invite`, `group_join_request` and `group_ban`: who may come into a group, wants to, or must not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.group import GroupId
from firewalker.user.domain.invite import Invite
from firewalker.user.domain.user import Card
from firewalker.user.store.columns import uuid_of
from firewalker.user.store.positions import Position
from firewalker.user.store.users import card_of

_ADD_INVITE = """
    INSERT INTO group_invite (code, group_id, user_id, expire_time)
    VALUES (%(code)s, %(group)s, %(user)s, %(expire_time)s)
"""
_FIND_INVITE = "SELECT group_id FROM group_invite WHERE code = %(code)s AND expire_time > %(at)s"  # primary key
_FORGET_INVITES = "DELETE FROM group_invite WHERE group_id = %(group)s AND expire_time <= %(at)s"
# group_invite_of_group
_COUNT_INVITES = "SELECT COUNT(*) FROM group_invite WHERE group_id = %(group)s"  # group_invite_of_group

_ADD_REQUEST = """
    INSERT INTO group_join_request (group_id, user_id, create_time) VALUES (%(group)s, %(user)s, %(at)s)
"""
_FIND_REQUEST = "SELECT 1 FROM group_join_request WHERE group_id = %(group)s AND user_id = %(user)s"  # primary key
_DELETE_REQUEST = "DELETE FROM group_join_request WHERE group_id = %(group)s AND user_id = %(user)s"  # primary key
_COUNT_REQUESTS = "SELECT COUNT(*) FROM group_join_request WHERE group_id = %(group)s"  # primary key
_LIST_WAITING = "SELECT user_id FROM group_join_request WHERE group_id = %(group)s ORDER BY user_id"  # primary key
_LIST_REQUESTS = """
    SELECT user.user_id, nickname, avatar_url, group_join_request.create_time
    FROM group_join_request JOIN user ON user.user_id = group_join_request.user_id
    WHERE group_id = %(group)s AND (group_join_request.create_time > %(since)s
        OR (group_join_request.create_time = %(since)s AND group_join_request.user_id > %(other)s))
    ORDER BY group_join_request.create_time, group_join_request.user_id LIMIT %(rows)s
"""  # group_join_request_time, then the primary key of user

_ADD_BAN = """
    INSERT INTO group_ban (group_id, user_id, create_time) VALUES (%(group)s, %(user)s, %(at)s)
    ON DUPLICATE KEY UPDATE group_id = VALUES(group_id)
"""
_FIND_BAN = "SELECT 1 FROM group_ban WHERE group_id = %(group)s AND user_id = %(user)s"  # primary key
_DELETE_BAN = "DELETE FROM group_ban WHERE group_id = %(group)s AND user_id = %(user)s"  # primary key
_COUNT_BANS = "SELECT COUNT(*) FROM group_ban WHERE group_id = %(group)s"  # primary key

_DELETE_ALL = "DELETE FROM {table} WHERE group_id = %(group)s"  # primary keys, group_invite_of_group


@dataclass(frozen=True, slots=True)
class JoinRequestRow:
    """Somebody who waits to be let in, and since when."""

    card: Card
    since: datetime

    @property
    def cursor(self) -> str:
        """Where the list goes on behind this row."""
        return Position(self.since, self.card.user_id).text


class GroupDoors:
    """The doors of the groups of this database. All changes are made under the lock of the group's row."""

    async def add_invite(self, tx: Transaction, group: GroupId, invite: Invite) -> None:
        """Add a code."""
        await tx.execute(
            _ADD_INVITE,
            {"code": invite.code, "group": group, "user": invite.user_id, "expire_time": invite.expire_time},
        )

    async def find_invited(self, tx: Transaction, code: str, at: datetime) -> GroupId | None:
        """The group that a code leads to, if it is good at *at*."""
        row = await tx.find(_FIND_INVITE, {"code": code, "at": at})
        return None if row is None else GroupId(uuid_of(row[0]))

    async def count_good_invites(self, tx: Transaction, group: GroupId, at: datetime) -> int:
        """How many codes of the group are good at *at*; the others are removed."""
        await tx.execute(_FORGET_INVITES, {"group": group, "at": at})
        return int((await tx.one(_COUNT_INVITES, {"group": group}))[0])

    async def add_request(self, tx: Transaction, group: GroupId, user: UserId, at: datetime) -> None:
        """Let somebody wait who does not."""
        await tx.execute(_ADD_REQUEST, {"group": group, "user": user, "at": at})

    async def has_request(self, tx: Transaction, group: GroupId, user: UserId) -> bool:
        """Whether the user waits to be let in."""
        return await tx.find(_FIND_REQUEST, {"group": group, "user": user}) is not None

    async def delete_request(self, tx: Transaction, group: GroupId, user: UserId) -> bool:
        """Let nobody of that id wait any more; whether somebody did."""
        return await tx.execute(_DELETE_REQUEST, {"group": group, "user": user}) > 0

    async def count_requests(self, tx: Transaction, group: GroupId) -> int:
        """How many wait."""
        return int((await tx.one(_COUNT_REQUESTS, {"group": group}))[0])

    async def list_waiting(self, tx: Transaction, group: GroupId) -> Sequence[UserId]:
        """All who wait."""
        return [UserId(uuid_of(user)) for (user,) in await tx.all(_LIST_WAITING, {"group": group})]

    async def list_requests(
        self, tx: Transaction, group: GroupId, behind: Position, rows: int
    ) -> Sequence[JoinRequestRow]:
        """At most *rows* who wait behind that position, the longest waiting first."""
        found = await tx.all(
            _LIST_REQUESTS, {"group": group, "since": behind.since, "other": behind.other, "rows": rows}
        )
        return [JoinRequestRow(card_of(row[:3]), row[3]) for row in found]

    async def ban(self, tx: Transaction, group: GroupId, user: UserId, at: datetime) -> None:
        """Shut the group for a user."""
        await tx.execute(_ADD_BAN, {"group": group, "user": user, "at": at})

    async def is_banned(self, tx: Transaction, group: GroupId, user: UserId) -> bool:
        """Whether the group is shut for the user."""
        return await tx.find(_FIND_BAN, {"group": group, "user": user}) is not None

    async def unban(self, tx: Transaction, group: GroupId, user: UserId) -> None:
        """Open the group for a user."""
        await tx.execute(_DELETE_BAN, {"group": group, "user": user})

    async def count_bans(self, tx: Transaction, group: GroupId) -> int:
        """How many the group is shut for."""
        return int((await tx.one(_COUNT_BANS, {"group": group}))[0])

    async def delete_all(self, tx: Transaction, group: GroupId) -> None:
        """Remove codes, requests and bans of a group that ends."""
        for table in ("group_invite", "group_join_request", "group_ban"):
            await tx.execute(_DELETE_ALL.format(table=table), {"group": group})
