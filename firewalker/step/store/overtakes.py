"""Statements on `overtake` and `overtake_told`: who made news of whom lately, and how much of it somebody got."""

from datetime import date, datetime

from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.overtake import MOST_A_DAY, PAIR_PAUSE

# Changes nothing while the last time is too short ago: the count of changed rows tells.
_NOTE_PAIR = """
    INSERT INTO overtake (low_id, high_id, told_time) VALUES (%(low)s, %(high)s, %(at)s)
    ON DUPLICATE KEY UPDATE told_time = IF(told_time <= %(free)s, VALUES(told_time), told_time)
"""  # primary key
_NOTE_RECEIVER = """
    INSERT INTO overtake_told (date, user_id, told) VALUES (%(day)s, %(user)s, 1)
    ON DUPLICATE KEY UPDATE told = IF(told < %(most)s, told + 1, told)
"""  # primary key
_FORGET_PAIRS = "DELETE FROM overtake WHERE told_time < %s ORDER BY told_time LIMIT %s"  # overtake_by_time
_FORGET_RECEIVERS = (
    "DELETE FROM overtake_told WHERE date < %s ORDER BY date, user_id LIMIT %s"  # primary key, its front
)


async def note_pair(tx: Transaction, one: bytes, other: bytes, at: datetime) -> bool:
    """Note that two walkers make news of each other; False, with nothing changed, if they did within 2 hours."""
    low, high = sorted((one, other))
    changed = await tx.execute(_NOTE_PAIR, {"low": low, "high": high, "at": at, "free": at - PAIR_PAUSE})
    return changed > 0


async def note_receiver(tx: Transaction, user: bytes, day: date) -> bool:
    """Note that *user* is told something of *day*; False, with nothing changed, if that was often enough."""
    return await tx.execute(_NOTE_RECEIVER, {"day": day, "user": user, "most": MOST_A_DAY}) > 0


async def forget(tx: Transaction, pairs_before: datetime, receivers_before: date, limit: int = 1_000) -> int:
    """Remove notes older than that, at most *limit* of each kind, and tell how many went."""
    pairs = await tx.execute(_FORGET_PAIRS, (pairs_before, limit))
    return pairs + await tx.execute(_FORGET_RECEIVERS, (receivers_before, limit))
