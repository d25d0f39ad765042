"""Newcomers: who calls before the user service's events have told of them is asked about there, and known from then on.

An event is behind a sign-up by some 30 ms, and by minutes where the relay is in trouble. Without a zone the newcomer's days
would be those of UTC.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

import structlog

from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import UserId
from firewalker.runtime.deadline import deadline, remaining
from firewalker.runtime.tasks import end
from firewalker.step.domain.facts import WalkerNews
from firewalker.step.usecases.projections import Projections

ASK_S = 0.5
"""Longest wait until a newcomer is asked about and taken in; of a call's time, at most half of what it has left."""

AGAIN_S = 5.0
"""How long nobody is asked again about who stayed unknown."""

ASK_AT_ONCE = 16
"""Questions of a process under way at once: should all walkers be unknown, the user service is not to be run over."""

MOST_UNKNOWN = 10_000
"""Most who are remembered to be unknown; those who became so first go first."""

Meet: TypeAlias = Callable[[UserId], Awaitable[bool]]
"""`Newcomers.meet`."""

_log = structlog.get_logger(__name__)


class Introduce(Protocol):
    """Where it is known who somebody is (`firewalker.step.introductions`)."""

    async def __call__(self, user: UserId, /) -> WalkerNews | None:
        """Who *user* is, as told `BEFORE_EVENTS`; None if nobody is.

        Raises:
            Fault: It cannot be told.
        """


async def unmet(user: UserId) -> bool:  # noqa: ARG001 - a `Meet`
    """Meet nobody: there is no service to ask."""
    return False


class Newcomers:
    """Asks once for all calls of a newcomer, for at most *ask_s* seconds. What it learns goes through *projections*."""

    def __init__(
        self,
        projections: Projections,
        introduce: Introduce,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        ask_s: float = ASK_S,
    ) -> None:
        self._projections = projections
        self._introduce = introduce
        self._monotonic = monotonic
        self._ask_s = ask_s
        self._turns = asyncio.Semaphore(ASK_AT_ONCE)
        self._asking: dict[UserId, asyncio.Task[bool]] = {}
        self._unknown: OrderedDict[UserId, float] = OrderedDict()
        """Until when nobody is asked about them."""

    async def meet(self, user: UserId) -> bool:
        """Whether *user*, of whom no zone is known here, is known from now on: then look again. Does not fail."""
        if self._monotonic() < self._unknown.get(user, 0.0):
            return False
        asking = self._asking.get(user)
        if asking is None:
            asking = asyncio.create_task(self._ask(user), name="introduction")
            self._asking[user] = asking
            asking.add_done_callback(lambda _: self._asking.pop(user, None))
        left = remaining()
        # Who leaves or has no more time does not take the answer from the others: `wait` cancels nothing.
        done, _ = await asyncio.wait({asking}, timeout=None if left is None else left / 2)
        return bool(done) and asking.result()

    async def stop(self) -> None:
        """Ask no more. After the last call."""
        await end(list(self._asking.values()))

    async def _ask(self, user: UserId) -> bool:
        known = False
        try:
            # Not the deadline of the call that happened to be first.
            with deadline(None), deadline(self._ask_s):
                async with asyncio.timeout(self._ask_s), self._turns:
                    news = await self._introduce(user)
                    known = news is not None and await self._projections.introduce(news)
        except (Fault, TimeoutError) as error:
            _log.info("newcomer_unknown", error=type(error).__name__)
        if not known:
            self._unknown[user] = self._monotonic() + AGAIN_S
            self._unknown.move_to_end(user)
            if len(self._unknown) > MOST_UNKNOWN:
                self._unknown.popitem(last=False)
        return known
