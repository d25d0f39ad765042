"""An owner's days as values: how devices were merged, and which of them each hour is from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from firewalker.step.domain.day import HOURS, WHOLE_DATE, State, merge, raised

MOST_DAYS = 400
"""Days of one list (contract)."""


class DeviceCounts(NamedTuple):
    """What one device has counted on a date: what its counts are taken for, after corrections."""

    counts: tuple[int, ...]
    """25 numbers: the hours and the whole date."""
    last_reading_ms: int
    revision: int
    """Of its last correction; 0 for none."""
    source: int

    def together(self, other: "DeviceCounts") -> "DeviceCounts":
        """The same device's counts in time and late: those of the later revision, both where it is the same."""
        newer = self if self.revision >= other.revision else other
        counts = tuple(raised(self.counts, other.counts)) if self.revision == other.revision else newer.counts
        return newer._replace(counts=counts, last_reading_ms=max(self.last_reading_ms, other.last_reading_ms))


@dataclass(frozen=True, slots=True)
class Merge:
    """A date's steps, and where they are from."""

    total: int
    hourly: tuple[int, ...]
    hourly_devices: tuple[str, ...]
    """The device that counted most, for each hour; of equal ones the first by id; empty where nobody counted."""
    whole_day_device: str
    """The device whose whole-date count is more than all hours together; empty if none is."""

    @classmethod
    def of(cls, devices: Mapping[str, DeviceCounts]) -> "Merge":
        """The merge of a date's devices, by id."""
        by_id = sorted(devices.items())
        counts = merge(device.counts for _, device in by_id)
        winners = [
            next((name for name, device in by_id if device.counts[slot] == most), "") if most else ""
            for slot, most in enumerate(counts)
        ]
        hours = sum(counts[:HOURS])
        by_whole_day = counts[WHOLE_DATE] > hours
        return cls(
            total=max(hours, counts[WHOLE_DATE]),
            hourly=tuple(counts[:HOURS]),
            hourly_devices=tuple(winners[:HOURS]),
            whole_day_device=winners[WHOLE_DATE] if by_whole_day else "",
        )


@dataclass(frozen=True, slots=True)
class OwnDay:
    """A day as its owner sees it."""

    date: date
    merge: Merge
    state: State
    devices: Mapping[str, DeviceCounts]
    revision: int
    under_review: bool
    goal: int | None = None
    """Steps wanted, as of that date; None without a goal."""

    @property
    def last_reading_ms(self) -> int:
        """When a device last told, in Unix milliseconds."""
        return max(device.last_reading_ms for device in self.devices.values())
