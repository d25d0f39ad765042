"""What watched boards look up again by themselves: totals that no frame told, circles that no announcement told."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf

import structlog

from firewalker.kernel.clock import Clock
from firewalker.kernel.faults import Fault, Kind
from firewalker.runtime.tasks import begin, end
from firewalker.step.boards.board import WatchedBoard
from firewalker.step.boards.registry import Boards
from firewalker.step.live import LiveTotals
from firewalker.step.usecases.circles import DOUBTED_S, TRUSTED_S, Circles

TOTALS_PER_READ = 500
"""Walkers looked up at once."""

TOTALS_PER_S = 1_000
"""Walkers looked up in a second while all is well, everybody in turn: a lost frame is made good by the next turn."""

ROUND_S = 1.0
"""Shortest time from the start of one round to the next. While frames do not arrive, boards are this old, or as old as
it takes to look everybody up once, one question after the other."""

CIRCLES_AT_ONCE = 4
"""Circles read at the same time."""

AGED_PER_S = 200
"""Boards in a second whose circles are read again for their age alone."""

RETRY_S = 1.0
"""How long a board waits that could not be renewed; all of them, where that is nothing of its own."""

LONGEST_RETRY_S = 60.0
"""The same for one that fails again and again by itself: each time it waits twice as long."""

_OF_ALL = (Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.TIMED_OUT)
"""MySQL did not answer: it would not answer for other boards either, and is let rest."""

_log = structlog.get_logger(__name__)


class Upkeep:
    """Runs beside the boards. *heard* tells whether announcements of changed circles arrive."""

    def __init__(
        self, boards: Boards, circles: Circles, live: LiveTotals, clock: Clock, *, heard: Callable[[], bool]
    ) -> None:
        self._boards = boards
        self._circles = circles
        self._live = live
        self._clock = clock
        self._heard = heard
        self._hurry = False
        self._aged_at = clock.monotonic()
        self._put_off: dict[WatchedBoard, float] = {}
        """Boards that failed by themselves, each with when it is tried again."""
        self._waited_s: dict[WatchedBoard, float] = {}
        """How long those that have not been renewed since were made to wait last."""
        self._told_at = -inf
        """When an error was logged whole."""
        self._tasks: list[asyncio.Task[None]] = []
        live.on_gap(self._catch_up)

    def start(self) -> None:
        """Begin."""
        self._tasks = [
            begin(self._forever(self._next_totals), "boards-totals"),
            begin(self._forever(self._next_circles), "boards-circles"),
        ]

    async def stop(self) -> None:
        """Stop."""
        await end(self._tasks)

    def _catch_up(self) -> None:
        """Frames may be missing: look everybody up as soon as can be."""
        self._boards.subjects.restart_round()
        self._hurry = True

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except Fault as fault:
                _log.warning("boards_upkeep_failed", reason=fault.reason)
                await asyncio.sleep(RETRY_S)
            except Exception:  # noqa: BLE001 - logged whole; without upkeep boards would age unnoticed
                _log.exception("boards_upkeep_failed")
                await asyncio.sleep(RETRY_S)

    async def _next_totals(self) -> None:
        """One round over everybody on watched boards."""
        began = self._clock.monotonic()
        subjects = self._boards.subjects
        subjects.restart_round()
        while stretch := subjects.next_round(TOTALS_PER_READ):
            for day, users in stretch.items():
                subjects.settle(day, users, await self._live.read(day, users))
            hurry = self._hurry or not self._live.healthy
            await asyncio.sleep(0 if hurry else TOTALS_PER_READ / TOTALS_PER_S)
        self._hurry = False
        await asyncio.sleep(max(0.0, began + ROUND_S - self._clock.monotonic()))

    async def _next_circles(self) -> None:
        """The circles that are known to be outdated; once a second also those that are old."""
        now = self._clock.monotonic()
        if now - self._aged_at >= 1:
            self._aged_at = now
            self._outdate_aged()
        outdated = self._boards.outdated
        for board in [board for board, due in self._put_off.items() if due <= now]:
            del self._put_off[board]
            outdated[board] = None
        batch = [outdated_board for outdated_board, _ in zip(outdated, range(CIRCLES_AT_ONCE), strict=False)]
        if not batch:
            await self._boards.wait_outdated(1.0)
            return
        for board in batch:
            del outdated[board]
        results = await asyncio.gather(*map(self._boards.renew, batch), return_exceptions=True)
        of_all: BaseException | None = None
        for board, error in zip(batch, results, strict=True):
            if isinstance(error, Fault) and error.kind in _OF_ALL:
                outdated[board] = None
                of_all = error
            elif error is not None:
                self._put_board_off(board, error)
            else:
                self._waited_s.pop(board, None)
        if of_all is not None:
            raise of_all  # any of them: all are tried again after a pause

    def _put_board_off(self, board: WatchedBoard, error: BaseException) -> None:
        """Have it wait, longer each time: it may be something that no board is spared."""
        now, before = self._clock.monotonic(), self._waited_s.get(board)
        whole = now - self._told_at >= RETRY_S
        if whole:
            self._told_at = now
        _log.error("board_not_renewed", error=type(error).__name__, exc_info=error if whole else None)
        wait_s = RETRY_S if before is None else min(2 * before, LONGEST_RETRY_S)
        self._waited_s[board] = wait_s
        self._put_off[board] = now + wait_s

    def _outdate_aged(self) -> None:
        longest_s = TRUSTED_S if self._heard() else DOUBTED_S
        aged = [board for board in self._boards if board.age_s > longest_s]
        for board in aged[:AGED_PER_S]:
            self._circles.drop([board.viewer])
            self._boards.outdated[board] = None
