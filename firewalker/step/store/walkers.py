"""Statements on `walker`: the public side and the time zone of users, as the user service has told them."""

from collections.abc import Collection, Iterable

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.facts import WalkerNews

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

_ZONE = "SELECT time_zone FROM walker WHERE user_id = %(user_id)s"  # primary key

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


async def find_zone(tx: Transaction, user_id: UserId) -> str | None:
    """The IANA name of the user's zone; None while the user is unknown here, or the zone is."""
    found = await tx.find(_ZONE, {"user_id": user_id})
    return None if found is None else found[0]


async def find_nicknames(tx: Transaction, users: Collection[bytes]) -> dict[bytes, str]:
    """The names of *users* (16-byte ids) who are known here."""
    if not users:
        return {}
    rows = await tx.all(_NICKNAMES.format(places=",".join(["%s"] * len(users))), list(users))
    return dict(rows)
