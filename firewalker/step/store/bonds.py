"""What stands between walkers, as the user service has told it: friendships (`friend`), blocks, and who shows what."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.facts import Blocked, Parted, Veiled, VeiledFor
from firewalker.step.domain.visibility import Bond, Visibility

SUBJECTS_PER_QUERY = 500
"""Subjects asked for at once; a group has at most 200 members."""

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

_SAVE_HEAD = "INSERT INTO friend (user_id, friend_id, since_time, told_time, ended) VALUES"
_SAVE_ROW = "(%s,%s,%s,%s,%s)"
# MySQL assigns from left to right, so the time that decides comes last.
_SAVE_TAIL = """
    ON DUPLICATE KEY UPDATE
        since_time = IF(VALUES(told_time) >= told_time, VALUES(since_time), since_time),
        ended = IF(VALUES(told_time) >= told_time, VALUES(ended), ended),
        told_time = GREATEST(VALUES(told_time), told_time)
"""  # primary key

_SHOW_HEAD = """
    INSERT INTO friend
        (user_id, friend_id, since_time, told_time, ended, shows, shows_time, is_shown, is_shown_time) VALUES
"""
_SHOW_ROW = "(%s,%s,%s,%s,1,%s,%s,%s,%s)"
# Of the two settings each row brings one: the other's time is never the later.
_SHOW_TAIL = """
    ON DUPLICATE KEY UPDATE
        shows = IF(VALUES(shows_time) > shows_time, VALUES(shows), shows),
        shows_time = GREATEST(VALUES(shows_time), shows_time),
        is_shown = IF(VALUES(is_shown_time) > is_shown_time, VALUES(is_shown), is_shown),
        is_shown_time = GREATEST(VALUES(is_shown_time), is_shown_time)
"""  # primary key

_VEIL_HEAD = "INSERT INTO walker (user_id, nickname, avatar_url, profile_time, shows, shows_time) VALUES"
_VEIL_ROW = "(%s,'','',%s,%s,%s)"
_VEIL_TAIL = """
    ON DUPLICATE KEY UPDATE
        shows = IF(VALUES(shows_time) >= shows_time, VALUES(shows), shows),
        shows_time = GREATEST(VALUES(shows_time), shows_time)
"""  # primary key

_BLOCK_HEAD = "INSERT INTO block (blocker_id, blocked_id, told_time, lifted) VALUES"
_BLOCK_ROW = "(%s,%s,%s,%s)"
_BLOCK_TAIL = """
    ON DUPLICATE KEY UPDATE
        lifted = IF(VALUES(told_time) >= told_time, VALUES(lifted), lifted),
        told_time = GREATEST(VALUES(told_time), told_time)
"""  # primary key

_SETTINGS = "SELECT user_id, shows FROM walker WHERE user_id IN ({places})"  # primary key

_FRIENDS = """
    SELECT friend_id, IF(shows_time >= since_time, shows, NULL), IF(is_shown_time >= since_time, is_shown, NULL)
    FROM friend WHERE user_id = %s AND friend_id IN ({places}) AND ended = 0
"""  # primary key

_BLOCKS = """
    SELECT blocked_id FROM block WHERE blocker_id = %s AND blocked_id IN ({places}) AND lifted = 0
    UNION
    SELECT blocker_id FROM block WHERE blocked_id = %s AND blocker_id IN ({places}) AND lifted = 0
"""  # primary key, both ways


async def befriend(tx: Transaction, friendships: Iterable[tuple[UserId, UserId, datetime, datetime]]) -> None:
    """Make each two users friends since the third value, as told at the fourth, unless something later is known."""
    await _save(tx, [(one, other, since, told, 0) for one, other, since, told in friendships])


async def part(tx: Transaction, facts: Iterable[Parted | Blocked]) -> None:
    """End the friendships of those who parted or blocked each other, unless something later is known."""
    pairs = [
        (fact.blocker, fact.blocked, fact.told)
        if isinstance(fact, Blocked)
        else (fact.user_id, fact.friend_id, fact.told)
        for fact in facts
    ]
    await _save(tx, [(one, other, told, told, 1) for one, other, told in pairs])


async def block(tx: Transaction, facts: Iterable[Blocked]) -> None:
    """Keep who blocks whom, and whose blocks were lifted, unless something later is known."""
    rows = sorted((fact.blocker, fact.blocked, fact.told, fact.lifted) for fact in facts)
    await tx.execute_rows(_BLOCK_HEAD, _BLOCK_ROW, rows, _BLOCK_TAIL)


async def veil(tx: Transaction, facts: Iterable[Veiled]) -> None:
    """Keep what users show everybody, unless something later is known."""
    rows = sorted((fact.user_id, _NEVER, fact.shows, fact.told) for fact in facts)
    await tx.execute_rows(_VEIL_HEAD, _VEIL_ROW, rows, _VEIL_TAIL)


async def veil_for(tx: Transaction, facts: Iterable[VeiledFor]) -> None:
    """Keep what users show single friends, unless something later is known. It ends with the friendship."""
    rows: list[tuple[object, ...]] = []
    for fact in sorted(facts, key=lambda one: one.told):
        one, other = fact.user_id, fact.friend_id
        rows.append((one, other, _NEVER, _NEVER, fact.shows, fact.told, None, _NEVER))
        rows.append((other, one, _NEVER, _NEVER, None, _NEVER, fact.shows, fact.told))
    rows.sort(key=lambda row: row[:2])
    await tx.execute_rows(_SHOW_HEAD, _SHOW_ROW, rows, _SHOW_TAIL)


async def list_bonds(tx: Transaction, viewer: UserId, subjects: Sequence[UserId]) -> dict[bytes, Bond]:
    """What stands between *viewer* and each of *subjects*, by the subject's 16 bytes; for friends and for others.

    Three queries for up to 500 subjects. On the boards of a group that both are members of, `Bond.in_group` is what
    counts. Who is not known here shows what everybody does who has set nothing.
    """
    bonds: dict[bytes, Bond] = {}
    for start in range(0, len(subjects), SUBJECTS_PER_QUERY):
        some = subjects[start : start + SUBJECTS_PER_QUERY]
        places = ",".join(["%s"] * len(some))
        settings = dict(await tx.all(_SETTINGS.format(places=places + ",%s"), [*some, viewer]))
        friends = {row[0]: row[1:] for row in await tx.all(_FRIENDS.format(places=places), [viewer, *some])}
        rows = await tx.all(_BLOCKS.format(places=places), [viewer, *some, viewer, *some])
        blocked = {user for (user,) in rows}
        mine = settings.get(viewer.bytes, 0)
        for subject in some:
            user = subject.bytes
            shows, is_shown = friends.get(user, (None, None))
            bonds[user] = Bond(
                user in friends,
                Visibility(mine if shows is None else shows),
                Visibility(settings.get(user, 0) if is_shown is None else is_shown),
                user in blocked,
            )
    return bonds


async def _save(tx: Transaction, pairs: Iterable[tuple[UserId, UserId, datetime, datetime, int]]) -> None:
    rows = list(pairs)
    rows += [(other, one, *rest) for one, other, *rest in rows]  # type: ignore[misc]  # the rest of a tuple is a list to mypy
    # In the order of the primary key, because unordered rows deadlock with other calls.
    await tx.execute_rows(_SAVE_HEAD, _SAVE_ROW, sorted(rows, key=lambda row: (row[0], row[1], row[3])), _SAVE_TAIL)
