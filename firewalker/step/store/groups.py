"""Statements on `walking_group` and `group_change`: which groups there are, and who is in them."""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from firewalker.kernel.days import parse_zone
from firewalker.kernel.zone_history import UTC_ZONE
from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.circle import Person
from firewalker.step.domain.facts import GroupDeleted, GroupNamed, Joined, Left
from firewalker.step.domain.group import Change, GroupId

_NAME_HEAD = "INSERT INTO walking_group (group_id, name, name_time, deleted) VALUES"
_NAME_ROW = "(%s,%s,%s,0)"
# MySQL assigns from left to right, so the time that decides comes last.
_NAME_TAIL = """
    ON DUPLICATE KEY UPDATE
        name = IF(VALUES(name_time) >= name_time, VALUES(name), name),
        name_time = GREATEST(VALUES(name_time), name_time)
"""  # primary key

_DELETE_HEAD = "INSERT INTO walking_group (group_id, name, name_time, deleted) VALUES"
_DELETE_ROW = "(%s,'',%s,1)"
_DELETE_TAIL = "ON DUPLICATE KEY UPDATE deleted = 1"  # primary key

_CHANGE_HEAD = "INSERT INTO group_change (group_id, user_id, change_time, joined) VALUES"
_CHANGE_ROW = "(%s,%s,%s,%s)"
_CHANGE_TAIL = "ON DUPLICATE KEY UPDATE joined = VALUES(joined)"  # primary key

_GROUP = "SELECT name FROM walking_group WHERE group_id = %s AND deleted = 0"  # primary key

_CHANGES = """
    SELECT c.user_id, c.change_time, c.joined, w.nickname, w.avatar_url, w.time_zone
    FROM group_change c LEFT JOIN walker w ON w.user_id = c.user_id WHERE c.group_id = %s
"""  # primary key of group_change (a range), primary key of walker

_ZONES = (
    "SELECT user_id, first_date, time_zone FROM walker_zone WHERE user_id IN ({places}) ORDER BY user_id, first_date"
)
# primary key, a range per user


class Group(NamedTuple):
    """A group with everybody who ever was in it."""

    name: str
    people: dict[bytes, Person]
    changes: dict[bytes, list[Change]]


async def name(tx: Transaction, facts: Iterable[GroupNamed | Joined]) -> None:
    """Keep the names of groups, unless something later is known."""
    rows = sorted((fact.group_id, fact.name, fact.told) for fact in facts)
    await tx.execute_rows(_NAME_HEAD, _NAME_ROW, rows, _NAME_TAIL)


async def delete(tx: Transaction, facts: Iterable[GroupDeleted]) -> None:
    """Keep that groups are no more."""
    rows = sorted((fact.group_id, fact.told) for fact in facts)
    await tx.execute_rows(_DELETE_HEAD, _DELETE_ROW, rows, _DELETE_TAIL)


async def change(tx: Transaction, facts: Iterable[Joined | Left]) -> None:
    """Keep who joined and who left. In the order of the primary key, because unordered rows deadlock with other calls."""
    rows = sorted((fact.group_id, fact.user_id, fact.at, isinstance(fact, Joined)) for fact in facts)
    await tx.execute_rows(_CHANGE_HEAD, _CHANGE_ROW, rows, _CHANGE_TAIL)


async def find(tx: Transaction, group_id: GroupId) -> Group | None:
    """The group; None if there is none. Three queries, however many are in it."""
    found = await tx.find(_GROUP, (group_id,))
    if found is None:
        return None
    people: dict[bytes, Person] = {}
    changes: dict[bytes, list[Change]] = {}
    for user, at, joined, nickname, avatar_url, zone in await tx.all(_CHANGES, (group_id,)):
        changes.setdefault(user, []).append(Change(at, bool(joined)))
        if user not in people:
            people[user] = Person(user, str(UUID(bytes=user)), nickname or "", avatar_url or "", _zone(zone))
    if people:
        zones: dict[bytes, list[tuple[date, ZoneInfo]]] = {}
        places = ",".join(["%s"] * len(people))
        for user, first_date, zone in await tx.all(_ZONES.format(places=places), list(people)):
            zones.setdefault(user, []).append((first_date, _zone(zone)))
        for user, later in zones.items():
            people[user] = _moved(people[user], later)
    return Group(found[0], people, changes)


def _moved(person: Person, later: list[tuple[date, ZoneInfo]]) -> Person:
    return Person(
        person.user_id, person.text_id, person.nickname, person.avatar_url, person.zone, zone_changes=tuple(later)
    )


@lru_cache(maxsize=1024)
def _zone(zone: str | None) -> ZoneInfo:
    # A zone that this machine's tzdata lacks must not take the board down with it.
    return (zone and parse_zone(zone)) or UTC_ZONE
