"""Telling that sessions have ended, before whoever ended them is answered: every process, and who pushes to their devices.

Both are told again by others, should they be away: processes by the feed's heartbeat, the notification service by the
outbox. So neither can make a sign-out fail, nor hold it up for long.
"""

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from firewalker.kernel.clock import Clock
from firewalker.runtime.deadline import deadline
from firewalker.runtime.outbox import EventSink
from firewalker.runtime.revocation import RevocationFeed
from firewalker.user.domain.session import Session
from firewalker.user.session_facts import ended_event
from firewalker.user.usecases.ended_sessions import revocation

DETACH_S = 0.5
"""Longest wait for the notification service to detach the devices (FCM-14)."""

AWAY_S = 2.0
"""One that did not answer is not asked for so long: not every sign-out pays the wait."""

_log = structlog.get_logger(__name__)


class Endings:
    """Implements `ports.Endings`."""

    def __init__(self, feed: RevocationFeed, notification: EventSink, clock: Clock) -> None:
        self._feed = feed
        self._notification = notification
        self._clock = clock
        self._not_before = 0.0

    async def tell(self, ended: Iterable[Session]) -> None:
        """Every process knows, and nothing more is pushed to the sessions' devices, when this returns. Does not fail."""
        sessions = list(ended)
        if sessions:
            await asyncio.gather(self._feed.publish(map(revocation, sessions)), self._detach(sessions))

    async def _detach(self, sessions: Sequence[Session]) -> None:
        """The fact that the outbox tells as well, under the same id: whoever hears it twice takes it in once."""
        if self._clock.monotonic() < self._not_before:
            return
        events = [bytes(ended_event(s, s.end_time)[1]) for s in sessions if s.end_time is not None]
        try:
            with deadline(DETACH_S):
                async with asyncio.timeout(DETACH_S):
                    await self._notification.deliver(events)
        except Exception as error:  # noqa: BLE001 - whatever it is, they are signed out; the outbox tells it again
            self._not_before = self._clock.monotonic() + AWAY_S
            _log.warning("devices_not_detached_yet", error=type(error).__name__)
