"""What one walker sent and what was acknowledged, to be held against what the backend shows in the end. Pure.

The rule of merging is written down a second time here on purpose: the ledger must not trust the code that it checks.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firewalker.gen.pb.firewalker.step.v1 import ReadingResultVerdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firewalker.gen.pb.firewalker.step.v1 import Reading, ReadingResult

Cell = tuple[str, str, int]
"""Device, civil date, local hour."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A date whose total is not what was acknowledged."""

    date: str
    acknowledged: int
    shown: int
    sent: int


class Ledger:
    """Counts by device, date and hour. Counts are cumulative, so the largest is the last word."""

    def __init__(self) -> None:
        self._sent: dict[Cell, int] = {}
        self._acknowledged: dict[Cell, int] = {}

    def send(self, readings: Iterable[Reading]) -> None:
        """Write down *readings* before they leave: from now on the backend may hold them."""
        for reading in readings:
            _raise_to(self._sent, reading)

    def acknowledge(self, readings: Sequence[Reading], results: Sequence[ReadingResult]) -> None:
        """Write down what the acknowledgement of *readings* promises; a rejected reading promises nothing."""
        for reading, result in zip(readings, results, strict=True):
            if result.verdict in {ReadingResultVerdict.ACCEPTED, ReadingResultVerdict.UNCHANGED}:
                _raise_to(self._acknowledged, reading)

    def dates(self) -> list[str]:
        """The civil dates with an acknowledged reading, oldest first."""
        return sorted({date for _, date, _ in self._acknowledged})

    def check(self, date: str, shown: int) -> Discrepancy | None:
        """Hold *shown*, the total of *date*, against the ledger: neither less than acknowledged nor more than sent."""
        acknowledged, sent = _total(self._acknowledged, date), _total(self._sent, date)
        return None if acknowledged <= shown <= sent else Discrepancy(date, acknowledged, shown, sent)


def _raise_to(counts: dict[Cell, int], reading: Reading) -> None:
    if reading.hour is None:
        message = "walkers count by the hour"
        raise ValueError(message)
    cell = (reading.device_id, reading.date, reading.hour)
    counts[cell] = max(counts.get(cell, 0), reading.steps)


def _total(counts: dict[Cell, int], date: str) -> int:
    """The largest count per hour over the devices, summed over the hours of *date*."""
    hours: defaultdict[int, int] = defaultdict(int)
    for (_, day, hour), steps in counts.items():
        if day == date:
            hours[hour] = max(hours[hour], steps)
    return sum(hours.values())
