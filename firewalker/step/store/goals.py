"""Statements on `goal`, `goal_owner` and `goal_reached`: what walkers want, and whose reaching it was told of."""

from collections.abc import Sequence
from datetime import date

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.goal import Goals

FOR_EVER = date(9999, 12, 31)
"""The end of a goal that nothing has followed yet."""

_MAKE_OWNER = """
    INSERT INTO goal_owner (user_id, shared) VALUES (%(user_id)s, 0) ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)
"""  # primary key

_LOCK_OWNER = "SELECT shared FROM goal_owner WHERE user_id = %(user_id)s FOR UPDATE"  # primary key

_SAVE_OWNER = "UPDATE goal_owner SET shared = %(shared)s WHERE user_id = %(user_id)s"  # primary key

# Stretches that reach beyond a date; primary key, a range per user.
_OF_USERS = """
    SELECT g.user_id, o.shared, g.first_date, g.daily_steps
    FROM goal g JOIN goal_owner o ON o.user_id = g.user_id
    WHERE g.user_id IN ({places}) AND g.end_date > %s
    ORDER BY g.user_id, g.first_date
"""

_REMOVE = "DELETE FROM goal WHERE user_id = %s AND end_date > %s"  # primary key, the user's range

_ADD_HEAD = "INSERT INTO goal (user_id, first_date, end_date, daily_steps) VALUES"
_ADD_ROW = "(%s,%s,%s,%s)"

_ADD_REACHED = """
    INSERT INTO goal_reached (date, user_id) VALUES (%s, %s) ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)
"""  # primary key

_FORGET_REACHED = (
    "DELETE FROM goal_reached WHERE date < %s ORDER BY date, user_id LIMIT 1000"  # primary key, from the front
)


async def find_of(tx: Transaction, users: Sequence[bytes], *, since: date = date.min) -> dict[bytes, Goals]:
    """The goals of *users* (16-byte ids) as far as they count on *since* or later; those who never set one are left out."""
    if not users:
        return {}
    shared: dict[bytes, bool] = {}
    history: dict[bytes, list[tuple[date, int]]] = {}
    statement = _OF_USERS.format(places=",".join(["%s"] * len(users)))
    for user, is_shared, first_date, daily_steps in await tx.all(statement, [*users, since]):
        shared[user] = bool(is_shared)
        history.setdefault(user, []).append((first_date, daily_steps))
    return {user: Goals(tuple(entries), shared[user]) for user, entries in history.items()}


async def lock(tx: Transaction, user_id: UserId) -> Goals:
    """The user's goals, all of them, locked until *tx* ends; none if they never set one."""
    await tx.execute(_MAKE_OWNER, {"user_id": user_id})
    await tx.one(_LOCK_OWNER, {"user_id": user_id})
    return (await find_of(tx, [user_id.bytes])).get(user_id.bytes, Goals())


async def save(tx: Transaction, user_id: UserId, before: Goals, after: Goals) -> None:
    """Put *after* in the place of *before*, which `lock` gave: only the stretches that differ are written."""
    if after.shared != before.shared:
        await tx.execute(_SAVE_OWNER, {"user_id": user_id, "shared": after.shared})
    old, new = _stretches(before), _stretches(after)
    differing = {first for first, *_ in old ^ new}
    if differing:
        await tx.execute(_REMOVE, (user_id, min(differing)))
        rows = [(user_id, *stretch) for stretch in sorted(new) if stretch[1] > min(differing)]
        await tx.execute_rows(_ADD_HEAD, _ADD_ROW, rows)


async def add_reached(tx: Transaction, day: date, user: bytes) -> bool:
    """Note that the goal of *user* (16 bytes) on *day* was told of as reached; whether it was not noted before."""
    return await tx.execute(_ADD_REACHED, (day, user)) == 1


async def forget_reached(tx: Transaction, before: date) -> int:
    """Remove some notes of dates before *before*, and tell how many: 0 when none is left."""
    return await tx.execute(_FORGET_REACHED, (before,))


def _stretches(goals: Goals) -> set[tuple[date, date, int]]:
    """First date, end and steps of each."""
    followers = [*goals.history[1:], (FOR_EVER, 0)]
    return {(first, end, steps) for (first, steps), (end, _) in zip(goals.history, followers, strict=False)}
