"""Noticing goals that are reached: commits of this process are looked at, and each date's goal is told of once."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from itertools import islice
from uuid import UUID

import structlog
from prometheus_client import Counter

from firewalker.kernel.clock import Clock
from firewalker.kernel.days import earliest_date, latest_date
from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import UserId
from firewalker.runtime.generations import Generations
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.tasks import begin, end
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.day import State, state
from firewalker.step.domain.goal import GoalReached
from firewalker.step.domain.visibility import Visibility
from firewalker.step.live import Frame, LiveTotals
from firewalker.step.store import days, friends
from firewalker.step.store import goals as store
from firewalker.step.store.keys import UserDate
from firewalker.step.usecases.ports import Facts

MAX_KNOWN = 200_000
"""Walkers' dates of which it is remembered from how many steps on to look, some 250 bytes each."""

MAX_DUE = 50_000
"""Walkers' dates that may wait to be looked at. With more, open dates are looked through instead, as at the start."""

PER_LOOK = 500
"""Walkers' dates looked at in one query."""

LOOK_BACK = timedelta(hours=2)
"""How old a commit may be that a process looks at when it starts: whoever made it may have died before it looked."""

RETRY_S = 1.0

LAST_LOOK_S = 1.0
"""Longest time for what is due when the process stops."""

_NEVER = 1 << 30
"""More steps than anybody makes: there is no goal, or it was told of."""

_REACHED = Counter("firewalker_step_goals_reached_total", "Goals that were told of as reached.", registry=REGISTRY)
_log = structlog.get_logger(__name__)


class ReachedGoals:
    """Runs beside the ingest. What it costs there is one look into a dictionary for every total that rises."""

    def __init__(self, database: Database, live: LiveTotals, facts: Facts, clock: Clock) -> None:
        self._database = database
        self._facts = facts
        self._clock = clock
        self._wanted: Generations[UserDate, int] = Generations(MAX_KNOWN)
        """From how many steps on a look is due; unknown counts as 0."""
        self._due: dict[UserDate, int] = {}
        self._news = asyncio.Event()
        self._look_through = True
        self._task: asyncio.Task[None] | None = None
        live.subscribe(self._hear, others=False)

    async def start(self) -> None:
        """Begin, with what was committed lately."""
        self._task = begin(self._run(), "reached-goals")

    async def stop(self) -> None:
        """Stop, after a last look; what that misses, the next process to start looks at."""
        await end([self._task])
        with contextlib.suppress(Fault, TimeoutError):
            async with asyncio.timeout(LAST_LOOK_S):
                await self._look_at_due()

    def forget(self, users: Iterable[bytes]) -> None:
        """The goals of these users (16-byte ids) may be others now."""
        now = self._clock.now()
        open_dates = list(_dates(earliest_date(now), latest_date(now)))
        for user in users:
            for day in open_dates:
                self._wanted.forget((user, day))

    def forget_all(self) -> None:
        """Anybody's goals may be others now."""
        self._wanted.clear()

    @retried(idempotent=True)
    async def forget_told(self) -> int:
        """Forget some of what was told of dates that are over everywhere, and tell how many: 0 when none is left."""
        async with self._database.transaction() as tx:
            return await store.forget_reached(tx, earliest_date(self._clock.now()) - timedelta(days=1))

    def _hear(self, frame: Frame) -> None:
        day, due = frame.date, self._due
        for user, total in frame.totals:
            wanted = self._wanted.get((user, day))
            if wanted is None or total.total >= wanted:
                due[user, day] = total.total
        if due:
            if len(due) > MAX_DUE:
                due.clear()
                self._look_through = True
            self._news.set()

    async def _run(self) -> None:
        while True:
            try:
                if self._look_through:
                    self._look_through = False
                    await self._look_at_open_dates()
                await self._look_at_due()
                self._news.clear()
                await self._news.wait()
            except Fault as fault:
                _log.warning("reached_goals_put_off", reason=fault.reason)
                self._look_through |= not self._due
                await asyncio.sleep(RETRY_S)
            except Exception:  # noqa: BLE001 - logged whole; without it goals would be reached unnoticed
                _log.exception("reached_goals_failed")
                self._due.clear()
                await asyncio.sleep(RETRY_S)

    async def _look_at_due(self) -> None:
        while self._due:
            await self._look(dict(islice(self._due.items(), PER_LOOK)))

    async def _look_at_open_dates(self) -> None:
        """Look at everybody whose totals of an open date rose lately."""
        now = self._clock.now()
        for day in _dates(earliest_date(now), latest_date(now)):
            after = b""
            while True:
                async with self._database.reading() as tx:
                    users = await days.list_users(tx, day, after=after, limit=PER_LOOK, raised_since=now - LOOK_BACK)
                    totals = await days.find_totals(tx, [(user, day) for user in users])
                await self._look({key: total.total for key, total in totals.items()})
                if len(users) < PER_LOOK:
                    break
                after = users[-1]

    async def _look(self, due: dict[UserDate, int]) -> None:
        """Compare totals with goals, and tell of those that are reached."""
        if not due:
            return
        users = list({user for user, _ in due})
        for key in due:
            self._wanted.put(key, 0)  # a place that is gone if the goals became others after they were read
        async with self._database.reading() as tx:
            goals = await store.find_of(tx, users, since=min(day for _, day in due))
        for key, steps in due.items():
            user, day = key
            wanted = goals[user].as_of(day) if user in goals else 0
            if 0 < wanted <= steps:
                await self._tell(user, day)
            if self._wanted.get(key) is None:
                continue  # what is due stays due
            self._wanted.put(key, wanted if wanted > steps else _NEVER)
            if self._due.get(key) == steps:
                del self._due[key]
            elif self._due.get(key, 0) < wanted:
                self._due.pop(key, None)

    @retried(idempotent=True)
    async def _tell(self, user: bytes, day: date) -> None:
        """Tell that the goal of *user* on *day* is reached, unless the day is over or that was told already."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            circle = await friends.get_circle(tx, UserId(UUID(bytes=user)))
            goals = (await store.find_of(tx, [user], since=day)).get(user)
            wanted = goals.as_of(day) if goals else 0
            if not goals or not wanted or state(day, circle.me.zone_on(day), now) is not State.OPEN:
                return
            if not await store.add_reached(tx, day, user):
                return
            told = tuple(_may_know(circle)) if goals.shared else ()
            me = circle.me
            fact = GoalReached(user, me.nickname, me.avatar_url, day, wanted, told, now)
            await self._facts.add_goal_reached(tx, fact)
        _REACHED.inc()


def _may_know(circle: Circle) -> Iterable[bytes]:
    """The friends on whose boards it shows: what two show each other is the same both ways."""
    for person in circle.people[1:]:
        if circle.sight(person.user_id) <= Visibility.ROUNDED:
            yield person.user_id


def _dates(first: date, last: date) -> Collection[date]:
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]
