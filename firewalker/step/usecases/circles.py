"""Friend sets, kept in memory: what boards are made of besides steps. Changing them is `projections`' work."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.leaderboard import DAYS_BACK
from firewalker.step.store import friends, goals
from firewalker.step.usecases.newcomers import Meet, unmet

MAX_PEOPLE = 100_000
"""Most people in the kept friend sets together: about 40 MB. The sets asked for longest ago go first."""

TRUSTED_S = 300.0
"""How long a set is used while changes are heard of: a bound for what no announcement told."""

DOUBTED_S = 5.0
"""How long a set is used while they are not, because Redis is away, and that of somebody who is not known yet."""

GOALS_BACK = timedelta(days=DAYS_BACK + 2)
"""How far back the goals of a set reach: the oldest board, and a set that was read a day ago."""


@dataclass(slots=True)
class _Kept:
    circle: Circle
    read_at: float


class Circles:
    """The friend sets asked for last, each read in two queries and used until something about it changes.

    *heard* tells whether announcements of changes arrive at present; *meet* asks about newcomers; *monotonic* measures ages
    in seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        heard: Callable[[], bool],
        meet: Meet = unmet,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        max_people: int = MAX_PEOPLE,
    ) -> None:
        self._database = database
        self._heard = heard
        self._meet = meet
        self._monotonic = monotonic
        self._now = now
        self._max_people = max_people
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._people = 0
        self._reading: dict[bytes, object] = {}

    async def of(self, user_id: UserId) -> Circle:
        """The walker and their friends, as they are or were up to `TRUSTED_S` (`DOUBTED_S`) ago without a known change.

        Raises:
            DatabaseUnavailable, DeadlineExceeded, Overloaded: They had to be read and could not be.
        """
        user = user_id.bytes
        kept = self._kept.get(user)
        now = self._monotonic()
        if kept is not None and now - kept.read_at <= self._trust_s(kept.circle):
            self._kept.move_to_end(user)
            return kept.circle
        return await self._read(user_id, now)

    def _trust_s(self, circle: Circle) -> float:
        return TRUSTED_S if circle.me.known and self._heard() else DOUBTED_S

    def is_current(self, user_id: UserId, circle: Circle) -> bool:
        """Whether *circle*, which `of` has answered, is still kept: nothing is known to have changed since."""
        kept = self._kept.get(user_id.bytes)
        return kept is not None and kept.circle is circle

    def drop(self, users: Iterable[bytes]) -> None:
        """Read the friend sets of these users (16-byte ids) anew when they are next asked for."""
        for user in users:
            self._reading.pop(user, None)
            self._forget(user)

    def drop_all(self) -> None:
        """Read every set anew: changes may have gone unheard."""
        self._reading.clear()
        self._kept.clear()
        self._people = 0

    async def _read(self, user_id: UserId, now: float) -> Circle:
        user = user_id.bytes
        # What is dropped while it is being read may be from before the change: it is answered, but not kept.
        mark = self._reading[user] = object()
        try:
            circle = await self._load(user_id)
            if not circle.me.known and await self._meet(user_id):
                mark = self._reading[user] = object()
                circle = await self._load(user_id)
            if self._reading.get(user) is mark:
                self._keep(user, _Kept(circle, now))
            return circle
        finally:
            if self._reading.get(user) is mark:
                del self._reading[user]

    async def _load(self, user_id: UserId) -> Circle:
        async with self._database.reading() as tx:
            circle = await friends.get_circle(tx, user_id)
            since = (self._now() - GOALS_BACK).date()
            return circle.with_goals(await goals.find_of(tx, [person.user_id for person in circle.people], since=since))

    def _keep(self, user: bytes, kept: _Kept) -> None:
        self._forget(user)
        self._kept[user] = kept
        self._people += len(kept.circle.people)
        while self._people > self._max_people and len(self._kept) > 1:
            self._forget(next(iter(self._kept)))

    def _forget(self, user: bytes) -> None:
        kept = self._kept.pop(user, None)
        if kept is not None:
            self._people -= len(kept.circle.people)
