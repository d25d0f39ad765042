"""Live totals as the rest of the service sees them: announce, read, subscribe. Works without Redis, only slower."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Final, TypeVar

import structlog
from prometheus_client import Gauge

from firewalker.kernel.clock import Clock
from firewalker.kernel.ids import UserId
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database
from firewalker.step.domain.day import UserTotal
from firewalker.step.live.buckets import UNREADABLE, is_kept
from firewalker.step.live.frames import Frame, frame_sender, unpack_frame
from firewalker.step.live.part import Part
from firewalker.step.live.rebuild import MOST_READS
from firewalker.step.live.shares import share_of, shares
from firewalker.step.store import days

MOST_FALLBACKS: Final = 4
"""Reads that may be at MySQL at once; the others wait their turn, within their deadlines."""

HAND_OVER_S = 0.5
"""Longest wait for Redis before watchers are sent to another process; half of the second that streams have to end."""

U = TypeVar("U", UserId, bytes)
T = TypeVar("T")

_CONNECTED = Gauge(
    "firewalker_step_live_feed_connected", "1 while this process hears of every total.", registry=REGISTRY
)
_log = structlog.get_logger(__name__)


class LiveTotals:
    """Totals of users on dates, current to the last commit of any process."""

    def __init__(self, redis_url: str, database: Database, clock: Clock) -> None:
        """Connects to nothing before `start`. *database* is asked where Redis cannot answer."""
        self._sender = os.urandom(8)
        self._database = database
        self._clock = clock
        turns = asyncio.Semaphore(MOST_READS)
        self.parts = [
            Part(
                redis_url,
                share,
                database=database,
                clock=clock,
                sender=self._sender,
                turns=turns,
                receive=self._receive,
                gap=self._gap,
            )
            for share in shares(redis_url)
        ]
        self._listeners: list[tuple[Callable[[Frame], None], bool, bool]] = []
        self._gap_listeners: list[Callable[[], None]] = []
        self._fallbacks = asyncio.Semaphore(MOST_FALLBACKS)
        _CONNECTED.set_function(lambda: int(self.healthy))

    async def start(self) -> None:
        """Begin to listen, to send and to repair."""
        for part in self.parts:
            part.start()

    async def stop(self) -> None:
        """Send what is left, for at most 2 s, then stop. After the last `announce`."""
        await asyncio.gather(*(part.stop() for part in self.parts))

    @property
    def healthy(self) -> bool:
        """Whether frames of other processes arrive. If not, what is known only from frames may be out of date."""
        return all(part.feed.connected for part in self.parts)

    def subscribe(self, callback: Callable[[Frame], None], *, own: bool = True, others: bool = True) -> None:
        """Have *callback* called with every frame: this process's at once (unless *own* is false), those of other
        processes as they come (unless *others* is false).

        It is called in the event loop and must be quick. Frames may repeat, come out of order, and tell less than is
        known already: take `UserTotal.merged`.
        """
        self._listeners.append((callback, own, others))

    def on_gap(self, callback: Callable[[], None]) -> None:
        """Have *callback* called when the subscription begins, and again after each loss: frames may be missing."""
        self._gap_listeners.append(callback)

    def announce(self, frame: Frame) -> None:
        """Tell everybody of totals that MySQL has committed. Returns at once; Redis is told as soon as it listens."""
        self._deliver(frame, own=True)
        if len(self.parts) == 1:
            self.parts[0].writer.put(frame)
            return
        for part, totals in self._by_part(frame.totals, lambda total: total[0]):
            part.writer.put(Frame(frame.date, totals))

    async def catch_up(self) -> None:
        """Hear of everything that other processes have told Redis by now. Waits some milliseconds, at most 0.2 s."""
        await asyncio.gather(*(part.feed.catch_up() for part in self.parts))

    async def hand_over(self) -> None:
        """Return once Redis has everything that was announced here, so that others know it, or after `HAND_OVER_S`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_OVER_S):
                await asyncio.gather(*(part.writer.flush() for part in self.parts))

    def give_up(self) -> None:
        """Commits went untold, too many to name: have Redis rebuilt from MySQL, and everything known from frames read anew."""
        for part in self.parts:
            part.writer.give_up()
            part.doubt()
        self._gap()

    async def read(self, day: date, users: Sequence[U]) -> dict[U, UserTotal]:
        """The totals of *users* on *day*; who has no reading is left out. Ids may be UUIDs or their 16 bytes.

        Read from Redis, or from MySQL where Redis is away, may be incomplete, or does not keep that date any more.

        Raises:
            DatabaseUnavailable, DeadlineExceeded: Neither answered.
        """
        if not users:
            return {}
        ids = [user if isinstance(user, bytes) else user.bytes for user in users]
        known: dict[bytes, UserTotal | None] = {}
        if is_kept(day, self._clock.now()):
            if len(self.parts) == 1:
                answer = await self.parts[0].read(day, ids)
                if answer is not None:
                    return {user: total for user, total in zip(users, answer, strict=True) if total is not None}
            else:
                known = await self._in_parts(day, ids)
        missing = [user for user in ids if user not in known]
        if missing:
            async with self._fallbacks, self._database.reading() as tx:
                stored = await days.find_totals(tx, [(user, day) for user in missing])
            known |= {user: total for (user, _), total in stored.items()}
        found = ((user, known.get(key)) for user, key in zip(users, ids, strict=True))
        return {user: total for user, total in found if total is not None}

    async def _in_parts(self, day: date, users: Sequence[bytes]) -> dict[bytes, UserTotal | None]:
        """What Redis says of *users*; those of parts that say nothing now are left out."""
        asked = self._by_part(users, lambda user: user)
        answers = await asyncio.gather(*(part.read(day, some) for part, some in asked))
        known: dict[bytes, UserTotal | None] = {}
        for (_, some), answer in zip(asked, answers, strict=True):
            if answer is not None:
                known.update(zip(some, answer, strict=True))
        return known

    def _by_part(self, what: Iterable[T], user_of: Callable[[T], bytes]) -> list[tuple[Part, list[T]]]:
        """*what* in groups, each with the part that its users are in."""
        of = len(self.parts)
        groups: dict[int, list[T]] = {}
        for one in what:
            groups.setdefault(share_of(user_of(one), of), []).append(one)
        return [(self.parts[number], group) for number, group in groups.items()]

    def _receive(self, message: bytes) -> None:
        sender = frame_sender(message)
        if sender is None or sender == self._sender:
            return
        try:
            frame = unpack_frame(message)
        except Exception as error:  # noqa: BLE001 - one message, from whomever, must not make the process deaf
            UNREADABLE.labels("frame").inc()
            _log.warning("live_frame_unreadable", size=len(message), error=type(error).__name__)
            return
        self._deliver(frame, own=False)

    def _deliver(self, frame: Frame, *, own: bool) -> None:
        for callback, wants_own, wants_others in self._listeners:
            if not (wants_own if own else wants_others):
                continue
            try:
                callback(frame)
            except Exception:  # noqa: BLE001 - logged whole
                # A listener's bug must not undo a commit that has been made.
                _log.exception("live_listener_failed")

    def _gap(self) -> None:
        for callback in self._gap_listeners:
            try:
                callback()
            except Exception:  # noqa: BLE001 - as above
                _log.exception("live_listener_failed")
