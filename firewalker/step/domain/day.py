"""The merge: how what devices counted becomes one day. Which readings are taken at all is not decided here.

A device's counts of a date are 25 numbers: one per local hour and one for the whole date. They only grow, and the
larger always wins, so repeats, order and splitting of readings leave no trace.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from firewalker.kernel.days import EARLIEST_OFFSET, LATEST_OFFSET, day_end

HOURS = 24
"""Slots 0 to 23 of a device's counts: the local hours. A date of 23 or 25 hours has the same labels."""

WHOLE_DATE = 24
"""The slot behind the hours: the count of the whole date."""

SLOTS = 25
"""Counts that a device has of one date."""

MAX_DEVICES = 16
"""Devices that may count for one user on one date; readings of more are refused.

Nobody carries so many. Without a bound one walker could make their day so long that reading it back delays others.
"""

SETTLING = timedelta(hours=12)
"""How long after the owner's midnight readings still change standings (contract)."""

MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UserTotal(NamedTuple):
    """The merged steps of one user on one date, as standings know them.

    A tuple, not a dataclass: one is made for every row of every commit.
    """

    total: int
    """Steps, merged over devices."""
    reached_ms: int
    """When it last rose, in Unix milliseconds; the earlier of two equal totals stands first."""
    last_reading_ms: int
    """When a device last told, in Unix milliseconds."""
    revision: int = 0
    """Number of corrections and reviews; totals of a later revision win, whichever is larger."""
    held: bool = False
    """Suspect, and not reviewed: shown without a rank. Within a revision it only ever becomes true, as the day grows."""

    def merged(self, other: "UserTotal") -> "UserTotal":
        """What is known after hearing both, in either order: the later revision, in it what is held, then the larger total.

        Equal totals keep the earlier time of reaching and the later reading.
        """
        last = max(self.last_reading_ms, other.last_reading_ms)
        mine, theirs = (self.revision, self.held, self.total), (other.revision, other.held, other.total)
        if mine == theirs:
            reached = min(self.reached_ms, other.reached_ms)
        else:
            reached = self.reached_ms if mine > theirs else other.reached_ms
        revision, held, total = max(mine, theirs)
        return UserTotal(total, reached, last, revision, held)


class State(Enum):
    """What a new reading of a date can still change."""

    OPEN = "open"
    """The owner's midnight has not passed."""
    SETTLING = "settling"
    """The day is over; late readings still change standings."""
    FINAL = "final"
    """Readings change the owner's history only."""


def state(day: date, zone: ZoneInfo, now: datetime) -> State:
    """The state at *now* of the civil date *day* of a walker who lives in *zone*."""
    end = day_end(day, zone)
    if now < end:
        return State.OPEN
    return State.SETTLING if now < end + SETTLING else State.FINAL


def first_final(day: date) -> datetime:
    """The instant from which *day* is final for somebody on Earth: before it no zone has to be known."""
    return _midnight_after(day) - EARLIEST_OFFSET + SETTLING


def last_final(day: date) -> datetime:
    """The instant from which *day* is final for everybody on Earth, whatever their zone."""
    return _midnight_after(day) - LATEST_OFFSET + SETTLING


def begin_ms(day: date) -> int:
    """When *day* begins first on Earth (at UTC+14), in Unix milliseconds. Nothing of it was counted before."""
    return (_midnight_after(day) - timedelta(days=1) - EARLIEST_OFFSET - _EPOCH) // MILLISECOND


def to_ms(at: datetime) -> int:
    """An aware instant in Unix milliseconds, rounded down."""
    return (at - _EPOCH) // MILLISECOND


def raised(counts: Sequence[int], others: Sequence[int]) -> list[int]:
    """One device's 25 counts after hearing both: slot by slot the larger."""
    return list(map(max, counts, others))


def merge(devices: Iterable[Sequence[int]]) -> list[int]:
    """The 25 counts of a date: across devices the largest of each slot; 0 without any."""
    best = [0] * SLOTS
    for counts in devices:
        best = raised(best, counts)
    return best


def total(devices: Iterable[Sequence[int]]) -> int:
    """The steps of a date from the 25 counts of each of its devices; 0 without any.

    Across devices the largest count of each hour, summed over the hours; the day is the larger of that sum and the
    largest count of the whole date. The store computes the same in SQL.
    """
    best = merge(devices)
    return max(sum(best[:HOURS]), best[WHOLE_DATE])


def _midnight_after(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
