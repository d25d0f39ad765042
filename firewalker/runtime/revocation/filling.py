"""Knowing of ended sessions without being told, in the one service whose database has them.

Whoever ends a session tells of it after the commit, unless the answer to the commit was lost, the caller left just then, or
the process died. So the database is asked again and again, and what nobody told of is told from here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Self

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.runtime.deadline import deadline
from firewalker.runtime.revocation.entries import Replay, Revocation
from firewalker.runtime.revocation.view import RevocationView
from firewalker.runtime.tasks import begin, end, going_on
from firewalker.runtime.tokens import LEEWAY, LIFETIME

LOOK_S = 0.5
"""How often MySQL is asked: an end that nobody told of is known everywhere within the second of the contract."""

ASK_S = 2.0
"""Longest wait for MySQL's answer."""

OVERLAP = timedelta(seconds=30)
"""How far each question reaches back before the one before it: longer than a transaction lasts, because one may commit
after a question and name a time before it."""


class ViewFilling:
    """Fills *view* from MySQL at start, and again and again; what it did not know by then is told. Start it after the view."""

    def __init__(
        self,
        view: RevocationView,
        replay: Replay,
        tell: Callable[[Iterable[Revocation]], Awaitable[None]],
        *,
        clock: Clock | None = None,
        look_s: float = LOOK_S,
    ) -> None:
        """*tell* announces ended sessions to the other processes; twice is harmless, and it does not fail."""
        self._view = view
        self._replay = replay
        self._tell = tell
        self._clock = clock or SystemClock()
        self._look_s = look_s
        self._asked: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when the view knows what MySQL does, or MySQL did not say; then go on in the background."""
        await self._try()
        self._task = begin(self._run(), "revocation view filling")

    async def stop(self) -> None:
        """Ask no more."""
        await end([self._task])
        self._task = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            await self._try()

    async def _try(self) -> None:
        with going_on("reading ended sessions"), deadline(ASK_S):
            await self._ask()

    async def _ask(self) -> None:
        now = self._clock.now()
        since = now - LIFETIME - LEEWAY
        if self._asked is not None:
            since = max(since, self._asked - OVERLAP)
        news = [ended for ended in await self._replay(since) if not self._view.has_ended(ended.session_id)]
        self._asked = now
        self._view.learn(news)
        await self._tell(news)
