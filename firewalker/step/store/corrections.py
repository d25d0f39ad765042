"""Statements on `correction`: the ledger of what owners have put right, and the last entry of each device."""

from collections.abc import Iterable
from datetime import datetime
from struct import Struct
from typing import NamedTuple

from firewalker.runtime.mysql import Transaction
from firewalker.step.domain.correction import Correction
from firewalker.step.domain.day import SLOTS
from firewalker.step.store.keys import DeviceDate, UserDate, stretches

COUNTS = Struct(f">{SLOTS}I")

# The ledger of some users' dates, the oldest entry first; primary key, one range per user and date.
_LEDGER = """
    SELECT user_id, date, revision, device_id, walked, base, counted FROM correction
    WHERE {which} ORDER BY user_id, date, revision
"""

_ADD = """
    INSERT INTO correction
        (user_id, date, revision, device_id, walked, base, counted, reason, create_time)
    VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s)
"""


class Corrected(NamedTuple):
    """The last entry of a device."""

    revision: int
    correction: Correction


async def add(
    tx: Transaction, key: DeviceDate, revision: int, correction: Correction, *, reason: str, at: datetime
) -> None:
    """Enter a correction. Nobody else may be at the user's date: see `days.lock_date`."""
    user, day, device_id = key
    counts = [COUNTS.pack(*numbers) for numbers in (correction.values, correction.bases, correction.counted)]
    await tx.execute(_ADD, (user, day, revision, device_id, *counts, reason, at))


async def find_latest(tx: Transaction, keys: Iterable[UserDate]) -> dict[DeviceDate, Corrected]:
    """The last correction of every device of *keys* (user, date) that has one."""
    found: dict[DeviceDate, Corrected] = {}
    for which, params in stretches(keys):
        for user, day, revision, device_id, *counts in await tx.all(_LEDGER.format(which=which), params):
            values, bases, counted = map(COUNTS.unpack, counts)
            found[user, day, device_id.decode()] = Corrected(revision, Correction(values, bases, counted))
    return found
