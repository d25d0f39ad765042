"""What this process remembers of device days in MySQL, bounded.

It may be behind, by what other processes have committed since. It is ahead only while a group is under way, and what
its group did not make durable for certain is forgotten.
"""

from collections.abc import Collection, Sequence
from datetime import date

from firewalker.step.domain.correction import Correction
from firewalker.step.domain.day import HOURS, SLOTS, WHOLE_DATE, merge
from firewalker.step.store.keys import DeviceDate, UserDate


class DeviceDay:
    """What one device has counted on one date, as this process knows it, and what of it is not stored yet.

    While a group is under way `counts` run ahead of MySQL by the slots in `risen`; if its commit fails the whole value
    is forgotten, and loaded again when it is next needed.
    """

    __slots__ = (
        "correction",
        "counts",
        "date",
        "device_id",
        "last_reading_ms",
        "late",
        "lifts",
        "merged",
        "refused",
        "revision",
        "risen",
        "source",
        "stored",
        "user",
    )

    def __init__(self, user: bytes, day: date, device_id: str, merged: "Merged | None" = None) -> None:
        """*merged* is shared by all devices of the user's date that are known."""
        self.user = user
        self.date = day
        self.device_id = device_id
        self.counts: list[int] = [0] * SLOTS
        """What its counts are taken for: with a correction, not what it tells."""
        self.correction: Correction | None = None
        """The last one."""
        self.revision = 0
        """Its row's. MySQL changes nothing in a row that has another by now."""
        self.stored = False
        """Whether there is a row: a first reading of 0 steps is news too."""
        self.last_reading_ms = 0
        self.source = 0
        self.late = False
        self.refused = False
        """One device too many on that date: it counts nothing."""
        self.risen = 0
        """A bit for each slot that rose in the group under way."""
        self.merged = merged or Merged()
        self.lifts = False
        """Whether the date's total rose by it in the group under way."""


class Merged:
    """The counts of a user's date merged over its devices, to tell a rise of one device from a rise of the total.

    The rules are `domain.day.total`'s, applied to one count at a time.
    """

    __slots__ = ("_best", "_hours", "revision", "total")

    def __init__(self, devices: Collection[Sequence[int]] = (), revision: int = 0) -> None:
        self._best = merge(devices)
        self._hours = sum(self._best[:HOURS])
        # None at all is less than 0 steps: a first reading of 0 is a rise too.
        self.total = max(self._hours, self._best[WHOLE_DATE]) if devices else -1
        """Steps; -1 without any reading."""
        self.revision = revision
        """The date's, when it was read."""

    def lift(self, slot: int, steps: int) -> bool:
        """Take in one count; whether the total rose."""
        best = self._best[slot]
        if steps > best:
            self._best[slot] = steps
            if slot < HOURS:
                self._hours += steps - best
        total = max(self._hours, self._best[WHOLE_DATE])
        if total <= self.total:
            return False
        self.total = total
        return True


class DeviceDays:
    """A bounded cache of device days that forgets what was not asked for lately, and whole dates of a user at once.

    Two generations as in `runtime.generations`, of users' dates; bounded by the number of device days in them.
    """

    __slots__ = ("_half", "_old", "_room", "_young")

    def __init__(self, bound: int) -> None:
        self._half = self._room = max(1, bound // 2)
        self._young: dict[UserDate, dict[str, DeviceDay]] = {}
        self._old: dict[UserDate, dict[str, DeviceDay]] = {}

    def get(self, key: DeviceDate) -> DeviceDay | None:
        """The device day, whose date counts as used now; None if it is not known."""
        user, day, device_id = key
        devices = self._young.get((user, day))
        if devices is None:
            devices = self._old.pop((user, day), None)
            if devices is None:
                return None
            self._put((user, day), devices)
        return devices.get(device_id)

    def put(self, user_date: UserDate, devices: dict[str, DeviceDay]) -> None:
        """Know *devices* of that user's date from now on, instead of what was known."""
        self.forget(user_date)
        self._put(user_date, devices)

    def forget(self, user_date: UserDate) -> None:
        """Know no device of that user's date any more."""
        self._room += len(self._young.pop(user_date, ()))
        self._old.pop(user_date, None)

    def clear(self) -> None:
        """Know nothing any more."""
        self._young, self._old, self._room = {}, {}, self._half

    def __len__(self) -> int:
        return sum(len(devices) for dates in (self._young, self._old) for devices in dates.values())

    def _put(self, user_date: UserDate, devices: dict[str, DeviceDay]) -> None:
        if self._room < len(devices):
            self._old, self._young, self._room = self._young, {}, self._half
        self._young[user_date] = devices
        self._room -= len(devices)
