"""Rows of `group_membership`: who belongs to which group, and when. All changes are made under the lock of the group's row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.group import GroupId, Membership, Role
from firewalker.user.domain.user import Card
from firewalker.user.store.columns import uuid_of
from firewalker.user.store.positions import Position
from firewalker.user.store.users import card_of

_ADD = """
    INSERT INTO group_membership (group_id, user_id, join_time, leave_time, role)
    VALUES (%(group)s, %(user)s, %(at)s, NULL, %(role)s)
"""

_FIND = """
    SELECT user_id, role, join_time FROM group_membership
    WHERE group_id = %(group)s AND user_id = %(user)s AND leave_time IS NULL
"""  # primary key, a range of the user's intervals

_SET_ROLE = """
    UPDATE group_membership SET role = %(role)s
    WHERE group_id = %(group)s AND user_id = %(user)s AND leave_time IS NULL
"""  # primary key, as above

_END = """
    UPDATE group_membership SET leave_time = %(at)s
    WHERE group_id = %(group)s AND user_id = %(user)s AND leave_time IS NULL
"""  # primary key, as above

_END_ALL = "UPDATE group_membership SET leave_time = %(at)s WHERE group_id = %(group)s AND leave_time IS NULL"
# group_membership_of_group

_COUNT_OF = "SELECT COUNT(*) FROM group_membership WHERE user_id = %(user)s AND leave_time IS NULL"
# group_membership_of_user

_LIST_MANAGERS = f"""
    SELECT user_id FROM group_membership
    WHERE group_id = %(group)s AND leave_time IS NULL AND role < {Role.MEMBER.value} ORDER BY role, join_time
"""  # group_membership_of_group: at most 200 rows

_LIST = """
    SELECT user.user_id, nickname, avatar_url, role, join_time
    FROM group_membership JOIN user ON user.user_id = group_membership.user_id {hiding}
    WHERE group_id = %(group)s AND leave_time IS NULL {hidden}
        AND (join_time > %(since)s OR (join_time = %(since)s AND group_membership.user_id > %(other)s))
    ORDER BY join_time, group_membership.user_id LIMIT %(rows)s
"""  # group_membership_of_group, then the primary key of user, and of friendship for each
_LIST_ALL = _LIST.format(hiding="", hidden="")
_LIST_UNBLOCKED = _LIST.format(
    hiding="""LEFT JOIN friendship ON low_id = LEAST(user.user_id, %(viewer)s)
        AND high_id = GREATEST(user.user_id, %(viewer)s)""",
    hidden="AND low_blocks IS NULL AND high_blocks IS NULL",
)

_INTERVALS = "SELECT group_id, user_id, join_time, leave_time FROM group_membership WHERE {which} = %(id)s"
_INTERVALS_OF_USER = _INTERVALS.format(which="user_id")  # group_membership_of_user
_INTERVALS_OF_GROUP = _INTERVALS.format(which="group_id")  # primary key


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One row of a list of members."""

    card: Card
    membership: Membership

    @property
    def cursor(self) -> str:
        """Where the list goes on behind this row."""
        return Position(self.membership.join_time, self.card.user_id).text


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A user's time in a group; *leave_time* is None while it lasts."""

    group_id: GroupId
    user_id: UserId
    join_time: datetime
    leave_time: datetime | None


class Memberships:
    """The memberships of this database."""

    async def add(self, tx: Transaction, group: GroupId, user: UserId, role: Role, at: datetime) -> None:
        """Begin a membership of somebody who is no member."""
        await tx.execute(_ADD, {"group": group, "user": user, "role": role, "at": at})

    async def find(self, tx: Transaction, group: GroupId, user: UserId) -> Membership | None:
        """The user's present place in the group."""
        row = await tx.find(_FIND, {"group": group, "user": user})
        return None if row is None else _membership(row)

    async def set_role(self, tx: Transaction, group: GroupId, user: UserId, role: Role) -> None:
        """Give a member a role."""
        await tx.execute(_SET_ROLE, {"group": group, "user": user, "role": role})

    async def end(self, tx: Transaction, group: GroupId, user: UserId, at: datetime) -> None:
        """End a membership."""
        await tx.execute(_END, {"group": group, "user": user, "at": at})

    async def end_all(self, tx: Transaction, group: GroupId, at: datetime) -> None:
        """End the memberships of a group."""
        await tx.execute(_END_ALL, {"group": group, "at": at})

    async def count_of(self, tx: Transaction, user: UserId) -> int:
        """How many groups the user, whose counters are locked, belongs to."""
        return int((await tx.one(_COUNT_OF, {"user": user}))[0])

    async def list_managers(self, tx: Transaction, group: GroupId) -> Sequence[UserId]:
        """Owner and administrators of the group."""
        return [UserId(uuid_of(user)) for (user,) in await tx.all(_LIST_MANAGERS, {"group": group})]

    async def list_members(
        self, tx: Transaction, group: GroupId, behind: Position, rows: int, *, unblocked_by: UserId | None = None
    ) -> Sequence[MemberRow]:
        """At most *rows* members behind that position, the longest membership first.

        Without those between whom and *unblocked_by* a block stands, if that is given.
        """
        found = await tx.all(
            _LIST_ALL if unblocked_by is None else _LIST_UNBLOCKED,
            {
                "group": group,
                "since": behind.since,
                "other": behind.other,
                "rows": rows,
                **({} if unblocked_by is None else {"viewer": unblocked_by}),
            },
        )
        return [MemberRow(card_of(row[:3]), _membership((row[0], *row[3:]))) for row in found]

    async def list_intervals(self, tx: Transaction, of: UserId | None, group: GroupId | None) -> Sequence[Interval]:
        """All memberships of a user, or of a group, past ones included; by group, user and beginning."""
        statement = _INTERVALS_OF_USER if of is not None else _INTERVALS_OF_GROUP
        rows = await tx.all(statement, {"id": of if of is not None else group})
        return sorted(
            (
                Interval(GroupId(uuid_of(group_id)), UserId(uuid_of(user)), joined, left)
                for group_id, user, joined, left in rows
            ),
            key=lambda one: (one.group_id, one.user_id, one.join_time),
        )


def _membership(row: tuple[Any, ...]) -> Membership:
    user_id, role, join_time = row
    return Membership(UserId(uuid_of(user_id)), Role(role), join_time)
