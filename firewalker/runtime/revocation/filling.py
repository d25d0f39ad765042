"""Knowing of ended sessions without Redis, in the one service whose database has them."""

import asyncio
from datetime import datetime, timedelta
from typing import Self

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.runtime.deadline import deadline
from firewalker.runtime.revocation.entries import Replay
from firewalker.runtime.revocation.view import RevocationView
from firewalker.runtime.tasks import begin, end, going_on
from firewalker.runtime.tokens import LEEWAY, LIFETIME

LOOK_S = 0.5
"""How often MySQL is asked while the view is stale."""

ASK_S = 2.0
"""Longest wait for MySQL's answer."""

OVERLAP = timedelta(seconds=30)
"""How far each question reaches back before the one before it: longer than a transaction lasts, because one may commit
after a question and name a time before it."""


class ViewFilling:
    """Fills *view* from MySQL at start, and again and again while it is stale. Start it after the view."""

    def __init__(
        self, view: RevocationView, replay: Replay, *, clock: Clock | None = None, look_s: float = LOOK_S
    ) -> None:
        self._view = view
        self._replay = replay
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
            if self._view.stale or self._asked is None:
                await self._try()
            else:
                # The stream has told everything up to now.
                self._asked = self._clock.now()

    async def _try(self) -> None:
        with going_on("reading ended sessions"), deadline(ASK_S):
            await self._ask()

    async def _ask(self) -> None:
        now = self._clock.now()
        since = now - LIFETIME - LEEWAY
        if self._asked is not None:
            since = max(since, self._asked - OVERLAP)
        self._view.learn(await self._replay(since))
        self._asked = now
