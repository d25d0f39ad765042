"""The worker: looks at each change once, in the process that committed it, at the cost of the walker's friends alone."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import UserId
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.tasks import begin, end
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.day import UserTotal
from firewalker.step.domain.overtake import HELD_S, Overtaken, Pursuit, Walked, crossed, leads
from firewalker.step.domain.visibility import Visibility
from firewalker.step.live import Frame, LiveTotals
from firewalker.step.live.known import KnownTotals
from firewalker.step.overtakes.pursuits import Pursuits
from firewalker.step.usecases.circles import Circles
from firewalker.step.usecases.overtakings import Overtakings

LOOK_S = 1.0
"""How often it is looked who has walked, and whose lead has been held."""

MOST_WAITING = 50_000
"""Walkers whose steps wait to be looked at. Those of more are not looked at: it is news that is lost, not steps."""

WALKERS_PER_TURN = 50
"""Walkers looked at before the event loop gets a turn: at 500 friends each, some 5 ms."""

_TOLD = Counter("firewalker_step_overtakes_total", "Overtakes that were told of.", registry=REGISTRY)
_PURSUITS = Gauge("firewalker_step_pursuits", "Overtakes that may come to be told of.", registry=REGISTRY)
_UNSEEN = Counter(
    "firewalker_step_overtakes_unseen_total", "Walkers whose steps were not looked at for overtakes.", registry=REGISTRY
)
_log = structlog.get_logger(__name__)


class Overtakes:
    """Finds out who passes whom. A part of the process: start it behind the ingest that tells it, stop it before."""

    def __init__(
        self,
        circles: Circles,
        known: KnownTotals,
        live: LiveTotals,
        overtakings: Overtakings,
        clock: Clock,
        *,
        held_s: float = HELD_S,
    ) -> None:
        """*held_s*: how long a lead has to be held."""
        self._circles = circles
        self._known = known
        self._live = live
        self._overtakings = overtakings
        self._clock = clock
        self._walked: dict[tuple[bytes, date], Walked] = {}
        self._pursuits = Pursuits(held_s=held_s)
        self._task: asyncio.Task[None] | None = None
        live.subscribe(self._hear)

    def walked(self, some: Collection[Walked]) -> None:
        """Take in what this process has committed; of every walker this is told in one process alone. Returns at once."""
        for one in some:
            key = one.user, one.day
            before = self._walked.get(key)
            if before is not None:
                self._walked[key] = Walked(*key, max(before.total, one.total), before.gain + one.gain)
            elif len(self._walked) < MOST_WAITING:
                self._walked[key] = one
            else:
                _UNSEEN.inc()

    async def start(self) -> None:
        """Begin to look."""
        self._task = begin(self._run(), "overtakes")

    async def stop(self) -> None:
        """Stop. Leads that were not held yet are forgotten."""
        await end([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Fault as fault:
                _log.warning("overtakes_put_off", reason=fault.reason)
            except Exception:  # noqa: BLE001 - logged whole; what comes next may be all right
                _log.exception("overtakes_failed")

    async def look(self) -> None:
        """Look at who has walked, then tell of the leads that were held.

        Raises:
            DatabaseUnavailable, DeadlineExceeded, Overloaded: Some of it was not looked at, or not told, and is lost.
        """
        walked, self._walked = self._walked, {}
        for number, one in enumerate(walked.values(), 1):
            await self._begin(one)
            if number % WALKERS_PER_TURN == 0:
                await asyncio.sleep(0)
        now = self._clock.monotonic()
        self._pursuits.forget(now)
        _PURSUITS.set(len(self._pursuits))
        for pursuit in self._pursuits.held(now):
            await self._tell(pursuit)

    async def _begin(self, walked: Walked) -> None:
        """Begin the pursuits of those friends whom these steps led past."""
        user, day, total, gain = walked
        circle = await self._circles.of(_user_id(user))
        left_s = (circle.midnight(day) - self._clock.now()).total_seconds()
        if left_s <= 0 or not circle.friends:
            return
        now = self._clock.monotonic()
        totals = await self._known.read(day, [person.user_id for person in circle.people])
        me = totals.get(user)
        if me is None or me.held:
            return
        before = total - gain
        for friend, theirs in totals.items():
            if friend != user and not theirs.held and crossed(before, total, theirs.total):
                pursuit = Pursuit(day, user, friend, max(total, me.total), theirs.total, now + left_s)
                self._pursuits.begin(pursuit, now)

    async def _tell(self, pursuit: Pursuit) -> None:
        """Tell of it, if it is so by what everybody's steps are now."""
        circle = await self._circles.of(_user_id(pursuit.walker))
        people = {person.user_id: person for person in circle.people}
        passed = people.get(pursuit.passed)
        over = self._clock.now() >= circle.midnight(pursuit.day)
        if passed is None or over or not _shown(circle, pursuit.passed):
            return
        theirs = await self._circles.of(_user_id(pursuit.passed))
        if self._clock.now() >= theirs.midnight(pursuit.day):
            return  # stale news, to somebody whose day is over
        totals = await self._live.read(pursuit.day, list(people))
        mine, other = totals.get(pursuit.walker), totals.get(pursuit.passed)
        if mine is None or other is None or mine.held or other.held or not leads(mine.total, other.total):
            return
        first = _is_first(circle, pursuit.walker, other, totals)
        if await self._overtakings.tell(
            Overtaken(pursuit.walker, pursuit.passed, pursuit.day, took_first_place=first), circle.me
        ):
            _TOLD.inc()

    def _hear(self, frame: Frame) -> None:
        if len(self._pursuits):
            self._pursuits.hear(frame.date, frame.totals, self._clock.monotonic())


def _shown(circle: Circle, friend: bytes) -> bool:
    """Whether the walker and *friend* see each other."""
    return circle.sight(friend) is not Visibility.HIDDEN


def _is_first(circle: Circle, walker: bytes, passed: UserTotal, totals: dict[bytes, UserTotal]) -> bool:
    """Whether the one passed had the first place among those whom the walker sees: all others have at most as much."""
    rivals: Sequence[UserTotal] = [
        total for user, total in totals.items() if user != walker and not total.held and _shown(circle, user)
    ]
    return all(total.total <= passed.total for total in rivals)


def _user_id(user: bytes) -> UserId:
    return UserId(UUID(bytes=user))
