"""Statements on `walker` and `walker_zone`: the public side and the time zones of users, as the user service has told them.

What walkers show of their steps is in `bonds`.
"""

from collections.abc import Collection, Iterable
from datetime import date

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.facts import Moved, WalkerNews

_SAVE_HEAD = "INSERT INTO walker (user_id, nickname, avatar_url, profile_time, time_zone, zone_time) VALUES"
_SAVE_ROW = "(%s,%s,%s,%s,%s,%s)"
# Later news win whatever order they come in; MySQL assigns from left to right, so each time is behind what it decides.
# News without a zone have no zone_time, and nothing is larger than NULL.
_SAVE_TAIL = """
    ON DUPLICATE KEY UPDATE
        nickname = IF(VALUES(profile_time) >= profile_time, VALUES(nickname), nickname),
        avatar_url = IF(VALUES(profile_time) >= profile_time, VALUES(avatar_url), avatar_url),
        time_zone = IF(VALUES(zone_time) >= COALESCE(zone_time, VALUES(zone_time)), VALUES(time_zone), time_zone),
        profile_time = GREATEST(VALUES(profile_time), profile_time),
        zone_time = COALESCE(GREATEST(VALUES(zone_time), zone_time), zone_time, VALUES(zone_time))
"""  # primary key

_MOVE_HEAD = "INSERT INTO walker_zone (user_id, first_date, time_zone, told_time) VALUES"
_MOVE_ROW = "(%s,%s,%s,%s)"
_MOVE_TAIL = """
    ON DUPLICATE KEY UPDATE
        time_zone = IF(VALUES(told_time) >= told_time, VALUES(time_zone), time_zone),
        told_time = GREATEST(VALUES(told_time), told_time)
"""  # primary key

_ZONES = """
    SELECT NULL, time_zone FROM walker WHERE user_id = %(user_id)s
    UNION ALL
    SELECT first_date, time_zone FROM walker_zone WHERE user_id = %(user_id)s
"""  # primary keys of both

_NICKNAMES = "SELECT user_id, nickname FROM walker WHERE user_id IN ({places})"  # primary key


async def save(tx: Transaction, news: Iterable[WalkerNews]) -> None:
    """Keep what is newest of each user, by the time of the event; a zone once told stays until a later event tells one.

    Rows go in the order of the primary key, because unordered ones deadlock with other calls.
    """
    rows = sorted(news, key=lambda one: (one.user_id.bytes, one.told))
    values = [
        (row.user_id, row.nickname, row.avatar_url, row.told, row.time_zone, row.told if row.time_zone else None)
        for row in rows
    ]
    await tx.execute_rows(_SAVE_HEAD, _SAVE_ROW, values, _SAVE_TAIL)


async def move(tx: Transaction, facts: Iterable[Moved]) -> None:
    """Keep the zones that users live by from a date on; days before keep theirs."""
    rows = [(fact.user_id, fact.first_date, fact.time_zone, fact.told) for fact in facts]
    await tx.execute_rows(_MOVE_HEAD, _MOVE_ROW, sorted(rows, key=lambda row: (row[0], row[1], row[3])), _MOVE_TAIL)


async def find_zones(tx: Transaction, user_id: UserId) -> tuple[str | None, list[tuple[date, str]]]:
    """The IANA name of the user's first zone, None while it is unknown here, and the later ones by their first dates."""
    first, later = None, []
    for first_date, name in await tx.all(_ZONES, {"user_id": user_id}):
        if first_date is None:
            first = name
        else:
            later.append((first_date, name))
    return first, sorted(later)


async def find_nicknames(tx: Transaction, users: Collection[bytes]) -> dict[bytes, str]:
    """The names of *users* (16-byte ids) who are known here."""
    if not users:
        return {}
    rows = await tx.all(_NICKNAMES.format(places=",".join(["%s"] * len(users))), list(users))
    return dict(rows)
