"""Friend sets, kept in memory: what boards are made of besides steps. Changing them is `projections`' work."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database
from firewalker.step.domain.circle import Circle
from firewalker.step.domain.leaderboard import DAYS_BACK
from firewalker.step.store import friends, goals
from firewalker.step.usecases.kept import Kept
from firewalker.step.usecases.newcomers import Meet, unmet

MAX_PEOPLE = 100_000
"""Most people in the kept friend sets together: about 40 MB. The sets asked for longest ago go first."""

TRUSTED_S = 300.0
"""How long a set is used while changes are heard of: a bound for what no announcement told."""

DOUBTED_S = 5.0
"""How long a set is used while they are not, because Redis is away, and that of somebody who is not known yet."""

GOALS_BACK = timedelta(days=DAYS_BACK + 2)
"""How far back the goals of a set reach: the oldest board, and a set that was read a day ago."""


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
        self._now = now
        self._kept = Kept(
            self._read,
            known=lambda circle: circle.me.known,
            meet=meet,
            trusted_s=self._trusted_s,
            size=lambda circle: len(circle.people),
            most=max_people,
            monotonic=monotonic,
        )

    async def of(self, user_id: UserId) -> Circle:
        """The walker and their friends, as they are or were up to `TRUSTED_S` (`DOUBTED_S`) ago without a known change.

        Raises:
            DatabaseUnavailable, DeadlineExceeded, Overloaded: They had to be read and could not be.
        """
        return await self._kept.of(user_id)

    def _trusted_s(self, circle: Circle) -> float:
        return TRUSTED_S if circle.me.known and self._heard() else DOUBTED_S

    def is_current(self, user_id: UserId, circle: Circle) -> bool:
        """Whether *circle*, which `of` has answered, is still kept: nothing is known to have changed since."""
        return self._kept.holds(user_id, circle)

    def drop(self, users: Iterable[bytes]) -> None:
        """Read the friend sets of these users (16-byte ids) anew when they are next asked for."""
        self._kept.drop(users)

    def drop_all(self) -> None:
        """Read every set anew: changes may have gone unheard."""
        self._kept.drop_all()

    async def _read(self, user_id: UserId) -> Circle:
        async with self._database.reading() as tx:
            circle = await friends.get_circle(tx, user_id)
            since = (self._now() - GOALS_BACK).date()
            return circle.with_goals(await goals.find_of(tx, [person.user_id for person in circle.people], since=since))
