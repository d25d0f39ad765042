"""Taking readings in: what was judged good becomes durable, and every reading gets its outcome."""

from asyncio import Future
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.step.domain.day import State, state, to_ms
from firewalker.step.domain.reading import Counted, Outcome, Window
from firewalker.step.ingest import Ingest, Recorded
from firewalker.step.usecases.zones import Zones

Judged = Counted | Outcome
"""A reading that is to be counted, or why it is not."""


class Moment(NamedTuple):
    """What the present decides about readings."""

    window: Window
    now_ms: int


class Taken:
    """Readings on their way into MySQL."""

    __slots__ = ("_done", "_judged")

    def __init__(self, judged: Sequence[Judged], done: "Future[Recorded] | None") -> None:
        self._judged = judged
        self._done = done

    async def durable(self) -> Recorded:
        """Wait for the commit. The outcomes are of all readings, the refused ones too.

        Raises:
            Contention, DatabaseUnavailable: Not committed, or not known to be; repeating is safe.
        """
        if self._done is None:
            return Recorded([outcome for outcome in self._judged if isinstance(outcome, Outcome)], {})
        recorded = await self._done
        if len(recorded.outcomes) == len(self._judged):
            return recorded
        counted = iter(recorded.outcomes)
        outcomes = [verdict if isinstance(verdict, Outcome) else next(counted) for verdict in self._judged]
        return Recorded(outcomes, recorded.totals)

    def abandon(self) -> None:
        """Nobody waits any more. The readings are committed all the same."""
        if self._done is not None:
            self._done.cancel()


class Readings:
    """Takes readings in for their walkers."""

    def __init__(self, ingest: Ingest, zones: Zones, clock: Clock) -> None:
        self._ingest = ingest
        self._zones = zones
        self._clock = clock
        self._window = Window(clock.now())

    def moment(self) -> Moment:
        """The present, to judge a message's readings by."""
        now = self._clock.now()
        now_ms = to_ms(now)
        # A clock that was set back also asks for a new one.
        if not self._window.until_ms - 3_600_000 <= now_ms < self._window.until_ms:
            self._window = Window(now)
        return Moment(self._window, now_ms)

    async def take(self, user: UserId, judged: Sequence[Judged], *, patient: bool) -> Taken:
        """Hand the good ones of *judged* to the next group commit, in their order.

        Raises:
            Overloaded: The queue is full and the caller is not *patient*; one that is waits until it is not.
            Draining: This process is stopping.
        """
        counted = [verdict for verdict in judged if type(verdict) is Counted]
        if not counted:
            return Taken(judged, None)
        ambiguous = self._window.ambiguous
        if any([reading.date in ambiguous for reading in counted]):  # noqa: C419 - a list is faster than a generator
            counted = await self._with_finality(user, counted)
        if patient:
            await self._ingest.room(user.bytes)
        return Taken(judged, self._ingest.submit(user.bytes, counted))

    async def _with_finality(self, user: UserId, readings: list[Counted]) -> list[Counted]:
        zones = await self._zones.find(user)
        if zones is None:
            # In time as long as it is for somebody on Earth, as the window has it: what is called late is out of the
            # standings for good, and phones do not send it again. UNAVAILABLE would have them do so, but then steps would
            # wait for the user service. It is too generous to newcomers alone, who as yet are on nobody else's board.
            return readings
        now = self._clock.now()
        late: dict[date, bool] = {}
        for reading in readings:
            if reading.date not in late:
                late[reading.date] = state(reading.date, zones.on(reading.date), now) is State.FINAL
        return [
            reading._replace(late=late[reading.date]) if late[reading.date] != reading.late else reading
            for reading in readings
        ]
