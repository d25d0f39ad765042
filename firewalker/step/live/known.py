"""Totals that this process has read lately and hears changes of: a board read again costs no question to Redis."""

from collections.abc import Sequence
from datetime import date
from enum import Enum
from typing import Final, Literal, TypeAlias

from firewalker.kernel.clock import Clock
from firewalker.step.domain.day import UserTotal
from firewalker.step.live import Frame, LiveTotals

MAX_KNOWN = 200_000
"""Most totals kept, of all dates together: about 50 MB."""

RENEWED_S = 15.0
"""A total is read again after one to two times this: a bound for what no frame told."""


class _Unread(Enum):
    UNREAD = 0


_UNREAD: Final = _Unread.UNREAD
"""Stands where a total is being read."""

_Known: TypeAlias = UserTotal | Literal[_Unread.UNREAD] | None
"""None: there is no reading yet."""

_Totals: TypeAlias = dict[tuple[date, bytes], _Known]


class KnownTotals:
    """Reads through to the live totals, and keeps what it read while frames keep it current.

    Two generations: what is not in the younger or the older one is read; every `RENEWED_S`, or when the younger one is
    full, it becomes the older one. So nothing is kept for long, and keeping costs no bookkeeping per read.
    """

    def __init__(self, live: LiveTotals, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._younger: _Totals = {}
        self._older: _Totals = {}
        self._turned = clock.monotonic()
        live.subscribe(self._hear)
        live.on_gap(self._forget)

    async def read(self, day: date, users: Sequence[bytes]) -> dict[bytes, UserTotal]:
        """The totals of *users* (16-byte ids) on *day*; those without a reading are left out.

        Shows a reading as soon as its frame is here: at once for this process's, mostly within milliseconds for others'.
        One whose frame was lost shows when it is read again, after `RENEWED_S` to twice that.

        Raises:
            DatabaseUnavailable, DeadlineExceeded, Overloaded: They had to be read from MySQL and could not be.
        """
        if not self._live.healthy:
            return dict(await self._live.read(day, users))
        self._turn()
        younger, older = self._younger, self._older
        found: dict[bytes, UserTotal] = {}
        missing = []
        for user in users:
            key = (day, user)
            total = younger.get(key, _UNREAD)
            if total is _UNREAD:
                total = older.get(key, _UNREAD)
            if total is _UNREAD:
                missing.append(user)
            elif total is not None:
                found[user] = total
        if missing:
            found.update(await self._read(day, missing))
        return found

    async def _read(self, day: date, users: Sequence[bytes]) -> dict[bytes, UserTotal]:
        # Frames that come while Redis is asked must not be lost, so the places are made first.
        places = self._younger
        for user in users:
            places.setdefault((day, user), _UNREAD)
        try:
            read = await self._live.read(day, users)
        except BaseException:
            for user in users:
                if places.get((day, user)) is _UNREAD:
                    del places[day, user]
            raise
        found = {}
        for user in users:
            key, total = (day, user), read.get(user)
            # There is no place any more where another reading of the same total failed: frames may have passed by.
            if key in places:
                places[key] = total = _both(total, places[key])
            if total is not None:
                found[user] = total
        return found

    def _hear(self, frame: Frame) -> None:
        day = frame.date
        for user, total in frame.totals:
            key = (day, user)
            for generation in (self._younger, self._older):
                if key in generation:
                    generation[key] = _both(total, generation[key])

    def _forget(self) -> None:
        # New dictionaries: a read under way keeps its places in the old ones, which nobody looks at any more.
        self._younger, self._older = {}, {}

    def _turn(self) -> None:
        now = self._clock.monotonic()
        if now - self._turned >= 2 * RENEWED_S:
            self._forget()
            self._turned = now
        elif now - self._turned >= RENEWED_S or len(self._younger) > MAX_KNOWN // 2:
            self._younger, self._older = {}, self._younger
            self._turned = now


def _both(told: UserTotal | None, known: _Known) -> UserTotal | None:
    """What is known after hearing *told* as well."""
    if known is None or known is _UNREAD:
        return told
    return known if told is None else known.merged(told)
