"""Members of groups as each of them sees the others, kept in memory. Changing who is in is `projections`' work."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from firewalker.kernel.faults import GroupNotFound
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database
from firewalker.step.domain.circle import Friend, Person
from firewalker.step.domain.group import GroupCircle, GroupId, Stay, counted, stays
from firewalker.step.domain.period import Period, span_of
from firewalker.step.store import bonds, goals, groups
from firewalker.step.usecases.circles import DOUBTED_S, GOALS_BACK, TRUSTED_S

MAX_PEOPLE = 100_000
"""Most members in the kept groups together, each group once for every member who looks: about 60 MB."""


@dataclass(slots=True)
class _Kept:
    name: str
    me: Person
    others: tuple[Friend, ...]
    times: dict[bytes, list[Stay]]
    read_at: float


_Key = tuple[bytes, bytes]
"""Group and viewer, 16 bytes each."""


class GroupCircles:
    """The groups asked for last, each read in seven queries and used until something about it changes.

    *heard* tells whether announcements of changes arrive at present; *monotonic* measures ages in seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        heard: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._heard = heard
        self._monotonic = monotonic
        self._now = now
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._people = 0
        self._with: dict[bytes, set[_Key]] = {}
        """What is kept that an id, of a group or of somebody in it, has part in."""
        self._reading: dict[_Key, set[bytes] | None] = {}
        """For what is being read: ids that changed meanwhile; None if anything may have."""

    async def of(self, viewer: UserId, group_id: GroupId, period: Period, day: date | None) -> GroupCircle:
        """The group as *viewer* sees it in the period that *day* is in, by default their today.

        Raises:
            GroupNotFound: There is none, or they are not in it.
            DatabaseUnavailable, DeadlineExceeded, Overloaded: It had to be read and could not be.
        """
        key = group_id.bytes, viewer.bytes
        kept, now = self._kept.get(key), self._monotonic()
        if kept is None or now - kept.read_at > (TRUSTED_S if self._heard() else DOUBTED_S):
            kept = await self._read(key, now)
        else:
            self._kept.move_to_end(key)
        span = span_of(period, kept.me.zones.today(self._now()) if day is None else day)
        dates = {
            person.user_id: found
            for person in (kept.me, *(friend.person for friend in kept.others))
            if (found := counted(kept.times[person.user_id], person.zones, span))
        }
        return GroupCircle(kept.me, kept.others, group_id=key[0], name=kept.name, period=period, span=span, dates=dates)

    def drop(self, ids: Iterable[bytes]) -> None:
        """Read anew, when next asked for, what these groups or users (16-byte ids) have part in."""
        for one in ids:
            for changed in self._reading.values():
                if changed is not None:
                    changed.add(one)
            for key in list(self._with.get(one, ())):
                self._forget(key)

    def drop_all(self) -> None:
        """Read everything anew: changes may have gone unheard."""
        self._reading = dict.fromkeys(self._reading)
        self._kept.clear()
        self._with.clear()
        self._people = 0

    async def _read(self, key: _Key, now: float) -> _Kept:
        # What changes while it is being read may be missing: it is answered, but not kept.
        changed: set[bytes] = set()
        self._reading[key] = changed
        try:
            kept = await self._load(key, now)
            if self._reading.get(key) is changed and changed.isdisjoint((key[0], *kept.times)):
                self._keep(key, kept)
            return kept
        finally:
            if (present := self._reading.get(key)) is changed or present is None:
                self._reading.pop(key, None)

    async def _load(self, key: _Key, now: float) -> _Kept:
        group_id, viewer = GroupId(UUID(bytes=key[0])), UserId(UUID(bytes=key[1]))
        async with self._database.reading() as tx:
            group = await groups.find(tx, group_id)
            times = {} if group is None else {user: stays(changes) for user, changes in group.changes.items()}
            times = {user: found for user, found in times.items() if found and found[-1].until is None}
            if group is None or key[1] not in times:
                raise GroupNotFound
            others = sorted(times.keys() - {key[1]})
            between = await bonds.list_bonds(tx, viewer, [UserId(UUID(bytes=user)) for user in others])
            wanted = await goals.find_of(tx, list(times), since=(self._now() - GOALS_BACK).date())
        circle = GroupCircle(
            group.people[key[1]],
            tuple(
                Friend(group.people[user], times[user][-1].since, between[user].in_group())
                for user in others
                if not between[user].blocked
            ),
        ).with_goals(wanted)
        return _Kept(group.name, circle.me, circle.friends, times, now)

    def _keep(self, key: _Key, kept: _Kept) -> None:
        self._forget(key)
        self._kept[key] = kept
        self._people += len(kept.times)
        for one in (key[0], *kept.times):
            self._with.setdefault(one, set()).add(key)
        while self._people > MAX_PEOPLE and len(self._kept) > 1:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: _Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self._people -= len(kept.times)
        for one in (key[0], *kept.times):
            keys = self._with[one]
            keys.discard(key)
            if not keys:
                del self._with[one]
