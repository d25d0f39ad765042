"""The read side put together: projections, boards and their doors. `app` starts and stops it with the rest."""

from collections.abc import Callable, Collection

from firewalker.kernel.clock import Clock
from firewalker.runtime.mysql import Database
from firewalker.runtime.personal_data import Erasure
from firewalker.step.boards.announcements import Announcements
from firewalker.step.boards.registry import MAX_STREAMS, Boards
from firewalker.step.boards.upkeep import Upkeep
from firewalker.step.live import LiveTotals
from firewalker.step.live.known import KnownTotals
from firewalker.step.rpc.event_sink import EventSinkDoor
from firewalker.step.rpc.leaderboards import LeaderboardDoor
from firewalker.step.rpc.standings import StandingDoor
from firewalker.step.store.personal import TABLES
from firewalker.step.usecases.circles import Circles
from firewalker.step.usecases.group_boards import GroupBoards
from firewalker.step.usecases.group_circles import GroupCircles
from firewalker.step.usecases.leaderboards import Leaderboards
from firewalker.step.usecases.newcomers import Introduce, Newcomers
from firewalker.step.usecases.projections import Projections
from firewalker.step.usecases.zones import Zones


class BoardsPart:
    """What reads: start it after the live totals, stop it after the server and before them."""

    def __init__(
        self,
        *,
        database: Database,
        live: LiveTotals,
        redis_url: str,
        clock: Clock,
        introduce: Introduce,
        max_streams: int = MAX_STREAMS,
    ) -> None:
        self._listeners: list[tuple[Callable[[Collection[bytes]], None], Callable[[], None]]] = []
        self.announcements = Announcements(redis_url, self._changed, self._unsure)
        self.projections = Projections(database, self.announcements.announce)
        self._newcomers = Newcomers(self.projections, introduce, monotonic=clock.monotonic)
        meet = self._newcomers.meet
        self.zones = Zones(database, meet=meet, monotonic=clock.monotonic)
        """The zones of walkers, for the write side."""
        self.circles = Circles(
            database, heard=lambda: self.announcements.heard, meet=meet, monotonic=clock.monotonic, now=clock.now
        )
        self.group_circles = GroupCircles(
            database, heard=lambda: self.announcements.heard, monotonic=clock.monotonic, now=clock.now
        )
        self.known = known = KnownTotals(live, clock)
        self.group_boards = GroupBoards(self.group_circles, known, database, clock)
        self.boards = Boards(self.circles, known, live, clock, of_groups=self.group_boards, max_streams=max_streams)
        self._upkeep = Upkeep(self.boards, self.circles, live, clock, heard=lambda: self.announcements.heard)
        reading = Leaderboards(database, self.circles, known, clock)
        self.leaderboards = LeaderboardDoor(reading, self.group_boards, self.boards)
        """The door of the public port."""
        self.standings = StandingDoor(reading)
        """For other services: whether what they are about to tell still holds."""
        self.erasure = Erasure(database, TABLES, clock, first=self.projections.remove)
        """Erases who was deleted."""
        self.event_sink = EventSinkDoor(self.projections, self.erasure)
        """The door of the internal port."""

    async def start(self) -> None:
        """Begin to listen and to keep watched boards current."""
        self.boards.agenda.start()
        self.announcements.start()
        self._upkeep.start()

    async def stop(self) -> None:
        """Stop; no call may be under way any more."""
        self.boards.agenda.stop()
        await self._newcomers.stop()
        await self._upkeep.stop()
        await self.announcements.stop()

    def listen(self, changed: Callable[[Collection[bytes]], None], unsure: Callable[[], None]) -> None:
        """Have *changed* called with users (16-byte ids) of whom something other than steps changed, and *unsure* when
        that may be anybody. Both must be quick.
        """
        self._listeners.append((changed, unsure))

    def _changed(self, users: Collection[bytes]) -> None:
        self.circles.drop(users)
        self.group_circles.drop(users)
        self.zones.drop(users)
        self.boards.outdate(users)
        for changed, _ in self._listeners:
            changed(users)

    def _unsure(self) -> None:
        self.circles.drop_all()
        self.group_circles.drop_all()
        self.zones.drop_all()
        self.boards.outdate_all()
        for _, unsure in self._listeners:
            unsure()
