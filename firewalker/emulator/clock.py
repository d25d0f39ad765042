"""The emulator's time: the machine's, and as much later as a test asks for."""

import time


class VirtualClock:
    """Seconds since 1970, which `advance` moves on without waiting."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> float:
        """The present instant."""
        return time.time() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._ahead_s += seconds
