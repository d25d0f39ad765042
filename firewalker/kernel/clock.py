"""Where time comes from. Everything that decides by time is handed a `Clock`."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time of day and measures durations. Never mix the two."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back. For durations and time-outs."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()


def moment(clock: Clock) -> datetime:
    """The present instant, cut to the millisecond: what a row can hold, so that an answer and its row agree."""
    now = clock.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
