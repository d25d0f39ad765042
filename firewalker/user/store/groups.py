"""Rows of `user_group`: groups. Who belongs to them is in `memberships`, who wants to or must not in `group_doors`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.user.domain.group import Group, GroupId, JoinPolicy, Role
from firewalker.user.store.columns import uuid_of
from firewalker.user.store.positions import Position

_COLUMNS = "user_group.group_id, name, description, owner_id, join_policy, max_members, member_count, changed"

_ADD = """
    INSERT INTO user_group
        (group_id, name, description, owner_id, join_policy, max_members, member_count, changed)
    VALUES (%(group_id)s, %(name)s, %(description)s, %(owner_id)s, %(join_policy)s, %(max_members)s, %(member_count)s,
        %(changed)s)
"""

_FIND = f"SELECT {_COLUMNS} FROM user_group WHERE group_id = %(group_id)s"  # primary key

_LOCK = f"{_FIND} FOR UPDATE"

_SAVE = """
    UPDATE user_group SET name = %(name)s, description = %(description)s, owner_id = %(owner_id)s,
        join_policy = %(join_policy)s, max_members = %(max_members)s, member_count = %(member_count)s,
        changed = %(changed)s
    WHERE group_id = %(group_id)s
"""  # primary key

_DELETE = "DELETE FROM user_group WHERE group_id = %(group_id)s"  # primary key

_LIST_OF_USER = f"""
    SELECT {_COLUMNS}, role, join_time
    FROM group_membership JOIN user_group ON user_group.group_id = group_membership.group_id
    WHERE user_id = %(user)s AND leave_time IS NULL
        AND (join_time > %(since)s OR (join_time = %(since)s AND group_membership.group_id > %(other)s))
    ORDER BY join_time, group_membership.group_id LIMIT %(rows)s
"""  # group_membership_of_user, then the primary key of user_group


@dataclass(frozen=True, slots=True)
class OwnGroup:
    """A group, as one of its members lists it."""

    group: Group
    role: Role
    join_time: datetime

    @property
    def cursor(self) -> str:
        """Where the list goes on behind this row."""
        return Position(self.join_time, self.group.group_id).text


class Groups:
    """The groups of this database."""

    async def add(self, tx: Transaction, group: Group) -> None:
        """Add a new group."""
        await tx.execute(_ADD, _params(group))

    async def find(self, tx: Transaction, group_id: GroupId) -> Group | None:
        """The group with this id."""
        row = await tx.find(_FIND, {"group_id": group_id})
        return None if row is None else _group(row)

    async def lock(self, tx: Transaction, group_id: GroupId) -> Group | None:
        """The group with this id, locked until *tx* ends: all that changes its members waits here."""
        row = await tx.find(_LOCK, {"group_id": group_id})
        return None if row is None else _group(row)

    async def save(self, tx: Transaction, group: Group) -> None:
        """Store a group that is locked."""
        await tx.execute(_SAVE, _params(group))

    async def delete(self, tx: Transaction, group_id: GroupId) -> None:
        """Remove a group that is locked."""
        await tx.execute(_DELETE, {"group_id": group_id})

    async def list_of(self, tx: Transaction, user: UserId, behind: Position, rows: int) -> Sequence[OwnGroup]:
        """At most *rows* groups of *user* behind that position, the longest membership first."""
        found = await tx.all(_LIST_OF_USER, {"user": user, "since": behind.since, "other": behind.other, "rows": rows})
        return [OwnGroup(_group(row[:8]), Role(row[8]), row[9]) for row in found]


def _params(group: Group) -> dict[str, object]:
    return {
        "group_id": group.group_id,
        "name": group.name,
        "description": group.description,
        "owner_id": group.owner_id,
        "join_policy": group.join_policy,
        "max_members": group.max_members,
        "member_count": group.member_count,
        "changed": group.changed,
    }


def _group(row: Sequence[Any]) -> Group:
    group_id, name, description, owner_id, join_policy, max_members, member_count, changed = row
    return Group(
        GroupId(uuid_of(group_id)),
        name,
        description,
        UserId(uuid_of(owner_id)),
        JoinPolicy(join_policy),
        max_members,
        member_count,
        changed,
    )
