"""Goals and statistics put together on the read side. `app` starts and stops it with the rest."""

from datetime import timedelta

from firewalker.kernel.clock import Clock
from firewalker.runtime.chores import Chore
from firewalker.runtime.mysql import Database
from firewalker.step.boards_part import BoardsPart
from firewalker.step.charts.lane import Pictures
from firewalker.step.live import LiveTotals
from firewalker.step.rpc.goals import GoalDoor
from firewalker.step.rpc.stats import StatsDoor
from firewalker.step.usecases.charts import Charts
from firewalker.step.usecases.goals import GoalKeeper
from firewalker.step.usecases.group_stats import StatsOfGroups
from firewalker.step.usecases.ports import Facts
from firewalker.step.usecases.reached_goals import ReachedGoals
from firewalker.step.usecases.stats import Stats


class GoalsPart:
    """What knows of goals: start it after the boards, stop it before them."""

    def __init__(self, *, database: Database, live: LiveTotals, boards: BoardsPart, facts: Facts, clock: Clock) -> None:
        self.reached = ReachedGoals(database, live, facts, clock)
        boards.listen(self.reached.forget, self.reached.forget_all)
        self._forget = Chore("forget reached goals", timedelta(hours=1), self.reached.forget_told)
        keeper = GoalKeeper(database, boards.zones, facts, boards.announcements.announce, clock)
        self.as_of = keeper.as_of
        """Tells the goals of a user by date."""
        self.goals = GoalDoor(keeper)
        """The door of GoalService."""
        self._pictures = Pictures(clock.monotonic)
        stats = Stats(database, boards.circles, boards.zones, clock)
        of_groups = StatsOfGroups(boards.group_boards, database)
        self.stats = StatsDoor(stats, of_groups, Charts(stats, of_groups, self._pictures))
        """The door of StatsService."""

    async def start(self) -> None:
        """Begin to notice goals that are reached, and be ready to draw."""
        await self.reached.start()
        await self._forget.start()
        await self._pictures.start()

    async def stop(self) -> None:
        """Stop; no call may be under way any more."""
        await self._pictures.stop()
        await self._forget.stop()
        await self.reached.stop()
