"""Which sessions have ended: nothing is pushed to a device whose session has, however the news of it travels (FCM-14)."""

import asyncio
from collections.abc import Collection
from typing import Protocol

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import SessionId

SETTLING_S = 60.0
"""For so long after its start a process may not have been told yet what ended while it was not there."""


class View(Protocol):
    """What this process hears of ended sessions (`runtime.revocation`)."""

    @property
    def stale(self) -> bool: ...  # noqa: D102

    def has_ended(self, session_id: SessionId, /) -> bool: ...  # noqa: D102


class Doubts(Protocol):
    """Asks where it is known (`runtime.revocation`)."""

    async def has_ended(self, session_id: SessionId, /) -> bool | None:
        """None if nobody says."""


class EndedSessions:
    """By what this process hears, and by asking while it may have missed something.

    What nobody says has not ended: the user service, whoever it ends a session for, also has the devices detached.
    """

    def __init__(self, view: View, doubts: Doubts, clock: Clock) -> None:
        self._view = view
        self._doubts = doubts
        self._clock = clock
        self._began = clock.monotonic()

    def has_ended(self, session: SessionId) -> bool:
        """Whether this process has heard that it has."""
        return self._view.has_ended(session)

    async def among(self, sessions: Collection[SessionId]) -> set[SessionId]:
        """Those that have ended."""
        ended = {session for session in sessions if self._view.has_ended(session)}
        if self._view.stale or self._clock.monotonic() - self._began < SETTLING_S:
            left = sorted(set(sessions) - ended)
            answers = await asyncio.gather(*map(self._doubts.has_ended, left))
            ended |= {session for session, answer in zip(left, answers, strict=True) if answer}
        return ended
