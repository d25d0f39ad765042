"""The pursuits that this process follows: found by either walker, and by when their lead has been held. No I/O."""

import heapq
from collections.abc import Iterable
from datetime import date
from itertools import count

from firewalker.step.domain.day import UserTotal
from firewalker.step.domain.overtake import HELD_S, Pursuit

MOST_PURSUITS = 50_000
"""Followed at once, some 500 bytes each. With more, new ones are not begun: it is news that is lost, not steps."""


class Pursuits:
    """Follows pursuits by what frames tell of both walkers."""

    def __init__(self, *, most: int = MOST_PURSUITS, held_s: float = HELD_S) -> None:
        self._most = most
        self._held_s = held_s
        self._of: dict[tuple[date, bytes], set[Pursuit]] = {}
        """By date and walker, in either part."""
        self._pairs: dict[tuple[date, bytes, bytes], Pursuit] = {}
        self._due: list[tuple[float, int, Pursuit]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._pairs)

    def begin(self, pursuit: Pursuit, now: float) -> None:
        """Follow *pursuit*, unless it is followed already."""
        pair = (pursuit.day, pursuit.walker, pursuit.passed)
        if pair in self._pairs or len(self._pairs) >= self._most:
            return
        self._pairs[pair] = pursuit
        for user in (pursuit.walker, pursuit.passed):
            self._of.setdefault((pursuit.day, user), set()).add(pursuit)
        self._follow(pursuit, now)

    def hear(self, day: date, totals: Iterable[tuple[bytes, UserTotal]], now: float) -> None:
        """Take in totals of a date."""
        of = self._of
        for user, total in totals:
            followed = of.get((day, user))
            if followed is None:
                continue
            for pursuit in list(followed):
                if total.held:
                    self.drop(pursuit)
                    continue
                if user == pursuit.walker:
                    pursuit.mine = total.total
                else:
                    pursuit.theirs = total.total
                self._follow(pursuit, now)

    def held(self, now: float) -> list[Pursuit]:
        """Those whose lead has been held for long enough; they are followed no longer."""
        found = []
        while self._due and self._due[0][0] <= now:
            _, _, pursuit = heapq.heappop(self._due)
            if self._pairs.get((pursuit.day, pursuit.walker, pursuit.passed)) is pursuit and pursuit.held(
                now, self._held_s
            ):
                self.drop(pursuit)
                found.append(pursuit)
        return found

    def drop(self, pursuit: Pursuit) -> None:
        """Follow it no longer."""
        self._pairs.pop((pursuit.day, pursuit.walker, pursuit.passed), None)
        for user in (pursuit.walker, pursuit.passed):
            followed = self._of.get((pursuit.day, user))
            if followed is not None:
                followed.discard(pursuit)
                if not followed:
                    del self._of[pursuit.day, user]

    def forget(self, now: float) -> None:
        """Drop those whose day is over."""
        for pursuit in [pursuit for pursuit in self._pairs.values() if now >= pursuit.until]:
            self.drop(pursuit)

    def _follow(self, pursuit: Pursuit, now: float) -> None:
        before = pursuit.since
        if not pursuit.follow(now):
            self.drop(pursuit)
        elif pursuit.since is not None and pursuit.since != before:
            heapq.heappush(self._due, (pursuit.since + self._held_s, next(self._order), pursuit))
