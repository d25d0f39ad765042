"""Statements on `frozen_board` and `settling`: boards that stand for good, and how far freezing has come."""

from collections.abc import Iterable, Sequence
from datetime import date
from struct import Struct
from typing import NamedTuple

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.goal import Reached
from firewalker.step.domain.leaderboard import Frozen, State
from firewalker.step.domain.settling import SETTLED

_ENTRY = Struct(">16sHIBB")  # user, rank, steps, state, goal reached

_FIND = "SELECT entries FROM frozen_board WHERE user_id = %s AND date = %s"  # primary key
# What was frozen stays, whoever comes again.
_FREEZE = "INSERT INTO frozen_board (user_id, date, entries) VALUES"
_FREEZE_TAIL = "ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)"

_BEGIN = "INSERT INTO settling (date) VALUES (%s) ON DUPLICATE KEY UPDATE date = VALUES(date)"  # primary key
_ROUNDS = "SELECT date, round FROM settling WHERE date >= %s"  # primary key
_TAKE = "SELECT round, after_id FROM settling WHERE date = %s FOR UPDATE SKIP LOCKED"  # primary key
_MOVE = "UPDATE settling SET round = %s, after_id = %s WHERE date = %s"  # primary key

_STRETCH_END = "SELECT user_id FROM walker WHERE user_id > %s ORDER BY user_id LIMIT 1 OFFSET %s"  # primary key

# Walkers of a stretch whose board of a date is not frozen, in the order of their ids; primary keys of both.
_UNFROZEN = """
    SELECT w.user_id FROM walker w LEFT JOIN frozen_board f ON f.user_id = w.user_id AND f.date = %s
    WHERE w.user_id > %s AND w.user_id <= %s AND f.user_id IS NULL {zones} ORDER BY w.user_id LIMIT %s
"""
# The zone that the date begins and ends in for them (`ZoneHistory.on`); primary key of walker_zone.
_IN_ZONES = """
    AND COALESCE(
        (SELECT z.time_zone FROM walker_zone z WHERE z.user_id = w.user_id AND z.first_date <= %s
         ORDER BY z.first_date DESC LIMIT 1),
        w.time_zone
    ) IN ({places})
"""


WALKERS_PER_STRETCH = 10_000
"""Walkers searched by one statement for those whose boards are next: few of them may live in the zones asked for."""

LAST = b"\xff" * 16
"""No walker comes behind that."""


class Stretch(NamedTuple):
    """Walkers with ids behind *after*, up to and with *end*."""

    after: bytes
    end: bytes


class Progress(NamedTuple):
    """How far freezing a date's boards has come."""

    round: int
    after: bytes
    """The last walker (16-byte id) of this round who was looked at; empty before the first."""


async def find(tx: Transaction, user: UserId, day: date) -> list[Frozen] | None:
    """The frozen board of *user*, best first; None if there is none."""
    row = await tx.find(_FIND, (user, day))
    if row is None:
        return None
    return [
        Frozen(who, rank, steps, State(state), Reached(goal_reached))
        for who, rank, steps, state, goal_reached in _ENTRY.iter_unpack(row[0])
    ]


async def freeze(tx: Transaction, day: date, frozen: Iterable[tuple[bytes, Sequence[Frozen]]]) -> None:
    """Freeze boards of *day*, each with whose it is. One that is frozen already stays as it is."""
    rows = [(user, day, b"".join([_ENTRY.pack(*entry) for entry in entries])) for user, entries in sorted(frozen)]
    await tx.execute_rows(_FREEZE, "(%s,%s,%s)", rows, _FREEZE_TAIL)


async def list_unsettled(tx: Transaction, days: Sequence[date]) -> list[date]:
    """Those of *days* (ascending) whose boards are not all frozen."""
    if not days:
        return []
    rounds = dict(await tx.all(_ROUNDS, (days[0],)))
    for day in days:
        if day not in rounds:
            await tx.execute(_BEGIN, (day,))
    return [day for day in days if rounds.get(day, 0) < SETTLED]


async def take(tx: Transaction, day: date) -> Progress | None:
    """How far *day* has come, locked until *tx* ends; None while another process is at it."""
    row = await tx.find(_TAKE, (day,))
    return None if row is None else Progress(row[0], row[1])


async def move(tx: Transaction, day: date, progress: Progress) -> None:
    """Note that *day* has come that far."""
    await tx.execute(_MOVE, (progress.round, progress.after, day))


async def find_stretch(tx: Transaction, after: bytes) -> Stretch:
    """The next walkers behind *after*: `WALKERS_PER_STRETCH` of them, or all who are left, up to `LAST`."""
    row = await tx.find(_STRETCH_END, (after, WALKERS_PER_STRETCH - 1))
    return Stretch(after, LAST if row is None else row[0])


async def list_unfrozen(
    tx: Transaction, day: date, stretch: Stretch, *, limit: int, zones: Sequence[str] | None
) -> list[bytes]:
    """The first walkers of *stretch* whose board of *day* is not frozen, at most *limit*: of those who live in one of
    *zones* on that date, or all of them.
    """
    if zones is not None and not zones:
        return []
    clause = ""
    given: tuple[object, ...] = ()
    if zones is not None:
        clause, given = _IN_ZONES.format(places=",".join(["%s"] * len(zones))), (day, *zones)
    rows = await tx.all(_UNFROZEN.format(zones=clause), [day, *stretch, *given, limit])
    return [user for (user,) in rows]
