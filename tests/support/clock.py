"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
"""Where the clock stands unless a test says otherwise: a Wednesday, no daylight-saving change near."""


class FakeClock:
    """Implements `firewalker.kernel.clock.Clock`. Both of its times move together."""

    def __init__(self, now: datetime = NOON) -> None:
        if now.tzinfo is None:
            raise ValueError("the time needs a zone")
        self._now = now.astimezone(UTC)
        self._monotonic = 1_000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float | timedelta) -> None:
        """Move both times forward."""
        step = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        if step < timedelta(0):
            raise ValueError("time does not go back; see set_back for a clock that is corrected")
        self._now += step
        self._monotonic += step.total_seconds()

    def set_back(self, step: timedelta) -> None:
        """Move the time of day back, as a corrected system clock does; durations are not affected."""
        self._now -= step
