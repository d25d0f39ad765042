"""Friend sets: who is on whose board, both directions, in the table that `bonds` keeps."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from firewalker.kernel.days import parse_zone
from firewalker.kernel.ids import UserId
from firewalker.kernel.zone_history import ZoneChanges
from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.circle import UTC_ZONE, Circle, Friend, Person
from firewalker.step.domain.goal import NO_GOALS
from firewalker.step.domain.visibility import BEFRIENDED, Bond, Visibility
from firewalker.step.store import goals

# Everybody on a walker's board with what it shows of them. The walker's own row has no since_time; rows with a date tell
# of a later time zone.
_CIRCLE = """
    SELECT f.friend_id, NULL, f.since_time, w.nickname, w.avatar_url, w.time_zone, w.shows,
        IF(f.shows_time >= f.since_time, f.shows, NULL), IF(f.is_shown_time >= f.since_time, f.is_shown, NULL)
    FROM friend f LEFT JOIN walker w ON w.user_id = f.friend_id
    WHERE f.user_id = %(user_id)s AND f.ended = 0
    UNION ALL
    SELECT user_id, NULL, NULL, nickname, avatar_url, time_zone, shows, NULL, NULL
    FROM walker WHERE user_id = %(user_id)s
    UNION ALL
    SELECT z.user_id, z.first_date, NULL, NULL, NULL, z.time_zone, NULL, NULL, NULL
    FROM friend f JOIN walker_zone z ON z.user_id = f.friend_id
    WHERE f.user_id = %(user_id)s AND f.ended = 0
    UNION ALL
    SELECT user_id, first_date, NULL, NULL, NULL, time_zone, NULL, NULL, NULL
    FROM walker_zone WHERE user_id = %(user_id)s
"""  # primary key of friend (a range), primary keys of walker and walker_zone

# Whom these users are friends with, without what is known of them.
_BEFRIENDED = """
    SELECT user_id, friend_id, since_time,
        IF(shows_time >= since_time, shows, NULL), IF(is_shown_time >= since_time, is_shown, NULL)
    FROM friend WHERE user_id IN ({places}) AND ended = 0
"""  # primary key, a range for each

_WALKERS = "SELECT user_id, time_zone, shows FROM walker WHERE user_id IN ({places})"  # primary key

_LATER_ZONES = "SELECT user_id, first_date, time_zone FROM walker_zone WHERE user_id IN ({places})"
# primary key, a range for each

# Everybody whose board shows one of these users.
_FRIENDS_OF = "SELECT DISTINCT friend_id FROM friend WHERE user_id IN ({places}) AND ended = 0"
# primary key, a range for each


async def get_circle(tx: Transaction, user_id: UserId) -> Circle:
    """The walker and their friends in one query, however many. Who is not known yet has no name and lives in UTC."""
    me, my_setting = user_id.bytes, 0
    people: dict[bytes, Sequence[Any]] = {me: (me, None, None, "", "", None)}
    changes: dict[bytes, list[tuple[date, ZoneInfo]]] = {}
    for row in await tx.all(_CIRCLE, {"user_id": user_id}):
        if row[1] is not None:
            changes.setdefault(row[0], []).append((row[1], _zone(row[5])))
            continue
        people[row[0]] = row
        if row[2] is None:
            my_setting = row[6]
    zones = {user: tuple(sorted(found, key=_first_date)) for user, found in changes.items()}
    own = _person(people.pop(me), zones.get(me, ()))
    return Circle(
        own,
        tuple(
            Friend(_person(row, zones.get(user, ())), row[2], _bond(my_setting, *row[6:]))
            for user, row in people.items()
        ),
    )


async def list_circles(tx: Transaction, users: Sequence[bytes], *, goals_since: date) -> list[Circle]:
    """The circles of *users* (16-byte ids), in their order: four queries for all. Nobody in them has a name.

    Everybody has the goals that count on *goals_since* or later. Who is in several circles is the same `Person` there.
    """
    if not users:
        return []
    friends_of: dict[bytes, list[Sequence[Any]]] = {user: [] for user in users}
    for user, *friend in await tx.all(_BEFRIENDED.format(places=_places(users)), users):
        friends_of[user].append(friend)
    everybody = sorted({*users, *(friend[0] for found in friends_of.values() for friend in found)})
    known = {user: rest for user, *rest in await tx.all(_WALKERS.format(places=_places(everybody)), everybody)}
    changes: dict[bytes, list[tuple[date, ZoneInfo]]] = {}
    for user, first_date, zone in await tx.all(_LATER_ZONES.format(places=_places(everybody)), everybody):
        changes.setdefault(user, []).append((first_date, _zone(zone)))
    wanted = await goals.find_of(tx, everybody, since=goals_since)
    people: dict[bytes, Person] = {}
    shows: dict[bytes, int | None] = {}
    for user in everybody:
        zone, shows[user] = known.get(user, (None, None))
        later = tuple(sorted(changes[user], key=_first_date)) if user in changes else ()
        people[user] = Person(user, "", zone=_zone(zone), zone_changes=later, goals=wanted.get(user, NO_GOALS))
    return [
        Circle(
            people[user],
            tuple(
                [
                    Friend(people[friend], since, _bond(shows[user] or 0, shows[friend], for_friend, from_friend))
                    for friend, since, for_friend, from_friend in found
                ]
            ),
        )
        for user, found in friends_of.items()
    ]


async def list_friends_of(tx: Transaction, user_ids: Sequence[UserId]) -> list[bytes]:
    """The ids, as 16 bytes, of everybody who is a friend of one of *user_ids*: whose boards show them."""
    if not user_ids:
        return []
    rows = await tx.all(_FRIENDS_OF.format(places=_places(user_ids)), user_ids)
    return [friend for (friend,) in rows]


_REMOVE_FROM_OTHERS = "DELETE FROM friend WHERE friend_id = %s AND user_id IN ({places})"
# primary key

_ALL_OF = "SELECT friend_id FROM friend WHERE user_id = %(user)s"
# primary key

_REMOVE = "DELETE FROM friend WHERE user_id = %(user)s"
# primary key


async def remove_of(tx: Transaction, user_id: UserId) -> None:
    """Remove every friendship of *user_id*, ended ones too, in both directions. Each is two rows, so the own ones name all others."""
    others = [friend for (friend,) in await tx.all(_ALL_OF, {"user": user_id})]
    if others:
        await tx.execute(_REMOVE_FROM_OTHERS.format(places=_places(others)), [user_id, *others])
    await tx.execute(_REMOVE, {"user": user_id})


def _places(users: Sequence[object]) -> str:
    return ",".join(["%s"] * len(users))


def _first_date(change: tuple[date, ZoneInfo]) -> date:
    return change[0]


def _person(row: Sequence[Any], changes: ZoneChanges) -> Person:
    user_id, _, _, nickname, avatar_url, zone = row[:6]
    text_id, known = str(UUID(bytes=user_id)), zone is not None
    return Person(user_id, text_id, nickname or "", avatar_url or "", _zone(zone), changes, known=known)


@lru_cache(maxsize=64)
def _bond(mine: int, theirs: int | None, for_friend: int | None, from_friend: int | None) -> Bond:
    """*mine* and *theirs* are what the two show everybody, the others what they show each other, if set."""
    bond = Bond(
        True,  # noqa: FBT003 - the field's name stands in the class
        Visibility(mine if for_friend is None else for_friend),
        Visibility((theirs or 0) if from_friend is None else from_friend),
    )
    return BEFRIENDED if bond == BEFRIENDED else bond


@lru_cache(maxsize=1024)
def _zone(name: str | None) -> ZoneInfo:
    # A zone that this machine's tzdata lacks must not take the board down with it.
    return (name and parse_zone(name)) or UTC_ZONE
