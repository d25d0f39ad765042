"""Groups: what they are, who may do what in them, and what there is to tell of it. Finding and storing is elsewhere."""

import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import NewType
from uuid import UUID

from firewalker.kernel.ids import UserId
from firewalker.kernel.texts import is_printable
from firewalker.user.domain.faults import (
    GroupFull,
    GroupHasMoreMembers,
    GroupRoleRequired,
    OwnerMustTransfer,
)

GroupId = NewType("GroupId", UUID)

MAX_GROUPS = 50
"""Most groups of a user: each of them is a board that the step service keeps for every member."""

MIN_SIZE, DEFAULT_SIZE, MAX_SIZE = 2, 50, 200
"""How many members a group may allow. A board of 200 still fits on one page of any list."""

MAX_JOIN_REQUESTS = 500
"""Most users who wait to be let into one group: as many as may ask one user for a friendship."""

MAX_BANS = 1_000
"""Most users banned from one group; without a bound it would be a way to fill the database."""

MAX_NAME_CHARACTERS = 40
MAX_DESCRIPTION_CHARACTERS = 500

MILLISECOND = timedelta(milliseconds=1)


class JoinPolicy(Enum):
    """How to become a member."""

    OPEN = 1
    CODE = 2
    REQUEST = 3


class Role(Enum):
    """What a member may do."""

    OWNER = 1
    ADMIN = 2
    MEMBER = 3

    @property
    def manages(self) -> bool:
        """Whether it is one of those who let in, send away and change the group."""
        return self is not Role.MEMBER


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """A group was made, or has another name."""

    group_id: GroupId
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GroupDeleted:
    """A group is no more; its members have left with it."""

    group_id: GroupId
    at: datetime


@dataclass(frozen=True, slots=True)
class GroupMemberJoined:
    """*member* belongs to the group from *at* on. *told* are those to be notified."""

    group_id: GroupId
    group_name: str
    member: UserId
    told: tuple[UserId, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class GroupMemberLeft:
    """*member* belonged to the group until *at*."""

    group_id: GroupId
    member: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class GroupJoinRequested:
    """*requester* asks to be let in. *told* are those who can answer."""

    group_id: GroupId
    group_name: str
    requester: UserId
    told: tuple[UserId, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class GroupJoinRequestClosed:
    """*requester* waits no more: let in or not, by choice of either side. *told* are those who could answer."""

    group_id: GroupId
    requester: UserId
    accepted: bool
    told: tuple[UserId, ...]
    at: datetime


GroupEvent = (
    GroupChanged | GroupDeleted | GroupMemberJoined | GroupMemberLeft | GroupJoinRequested | GroupJoinRequestClosed
)


@dataclass(frozen=True, slots=True)
class Membership:
    """One user's present place in a group."""

    user_id: UserId
    role: Role
    join_time: datetime


@dataclass(frozen=True, slots=True)
class GroupWish:
    """What is to be different about a group, or about one that is to be made; None: as it is, or the default."""

    name: str | None = None
    description: str | None = None
    max_members: int | None = None
    join_policy: JoinPolicy | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A group. *changed* is the time of the last change that others were told of; those times grow."""

    group_id: GroupId
    name: str
    description: str
    owner_id: UserId
    join_policy: JoinPolicy
    max_members: int
    member_count: int
    changed: datetime

    @classmethod
    def found(cls, group_id: GroupId, owner: UserId, wish: GroupWish, at: datetime) -> "Group":
        """A new group with its owner as the one member."""
        return cls(
            group_id,
            wish.name or "",
            wish.description or "",
            owner,
            wish.join_policy or JoinPolicy.OPEN,
            wish.max_members or DEFAULT_SIZE,
            1,
            at,
        )

    def moment(self, at: datetime) -> datetime:
        """The time of a change at *at*: later than the last one's, whatever the clocks of the processes say."""
        return max(at, self.changed + MILLISECOND)

    def wishing(self, wish: GroupWish, at: datetime) -> "Group":
        """The group with that wish fulfilled.

        Raises:
            GroupHasMoreMembers: It has more members than it is to have.
        """
        if wish.max_members is not None and wish.max_members < self.member_count:
            raise GroupHasMoreMembers
        return replace(
            self,
            name=self.name if wish.name is None else wish.name,
            description=self.description if wish.description is None else wish.description,
            max_members=wish.max_members or self.max_members,
            join_policy=wish.join_policy or self.join_policy,
            changed=self.moment(at),
        )

    def with_one_more(self, at: datetime) -> "Group":
        """The group with another member.

        Raises:
            GroupFull: It has as many as it may.
        """
        if self.member_count >= self.max_members:
            raise GroupFull
        return replace(self, member_count=self.member_count + 1, changed=self.moment(at))

    def with_one_less(self, at: datetime) -> "Group":
        """The group without one of its members."""
        return replace(self, member_count=self.member_count - 1, changed=self.moment(at))

    def owned_by(self, owner: UserId, at: datetime) -> "Group":
        """The group in other hands."""
        return replace(self, owner_id=owner, changed=self.moment(at))

    def ensure_owner_can_leave(self) -> None:
        """Let the owner go only as the last one.

        Raises:
            OwnerMustTransfer: Others stay behind.
        """
        if self.member_count > 1:
            raise OwnerMustTransfer


def ensure_may_send_away(actor: Role, target: Role | None) -> None:
    """The owner may send anybody else away, administrators only those without a role; *target* is None for no member.

    Raises:
        GroupRoleRequired: *actor* may not.
    """
    if not actor.manages or target is Role.OWNER or (target is Role.ADMIN and actor is not Role.OWNER):
        raise GroupRoleRequired


def parse_name(text: str) -> str | None:
    """Read a group's name, without the spaces around it; None if it is empty, too long or has control characters."""
    name = unicodedata.normalize("NFC", text).strip()
    return name if 0 < len(name) <= MAX_NAME_CHARACTERS and is_printable(name) else None


def parse_description(text: str) -> str | None:
    """Read a description, which may have several lines; None if it is too long or has control characters."""
    description = unicodedata.normalize("NFC", text).strip()
    plain = description.replace("\n", " ")
    return description if len(description) <= MAX_DESCRIPTION_CHARACTERS and is_printable(plain) else None


def parse_size(count: int) -> int | None:
    """Read how many members a group may have; None if that is not between 2 and 200."""
    return count if MIN_SIZE <= count <= MAX_SIZE else None
