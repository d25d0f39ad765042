"""The sample multiplied: rates with the sample's error, room that is taken, processors that are needed, and what is full first."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from firewalker.notification.domain.quiet_hours import QuietHours
from firewalker.notification.pushing import _PUSHES_KEPT
from firewalker.notification.usecases.inbox import KEPT as INBOX_KEPT
from firewalker.runtime.outbox.shares import SHARES
from firewalker.step.boards.registry import MAX_STREAMS
from tests.bench.ten_million.costs import Costs
from tests.bench.ten_million.day import DAY_S, Day
from tests.bench.ten_million.live import Live
from tests.bench.ten_million.people import Crowd
from tests.bench.ten_million.stored import ACCOUNTS, Kept, TableSize
from tests.bench.ten_million.told import Telling

HOUR_S = 3_600

BUSY = 0.6
"""Share of a processor that is used at the peak: the rest is for failures, and for the second that is worse than its hour."""

HEARING = 0.3
"""Share of a step process that may go into hearing of other processes' totals before that is called full."""

LOUD_S = DAY_S - (QuietHours().end - QuietHours().start) % (24 * 60) * 60
"""So long a day nobody's quiet hours hold, where they are as they come: pushes are spread over that."""

PRIMARY_CORES = 32
"""Of a large MySQL server. That all of them are of use to one table is not measured here."""

YEAR_DAYS = 365

EVENT_SEEN_DAYS = 30
"""As `notification.app` keeps events that were taken in."""

FREEZE_S = DAY_S
"""A day's boards have to be frozen within a day, or it takes longer every day."""


class Estimate(NamedTuple):
    """A number for each walker, and twice its standard error over the parts of the sample."""

    value: float
    error: float

    @property
    def percent(self) -> float:
        """The error, of the value."""
        return 100 * self.error / self.value if self.value else 0.0


class Limit(NamedTuple):
    """Something there is one of."""

    what: str
    users: float
    """With how many walkers it is full."""
    why: str
    unit_us: float
    """What one of what it does takes."""
    a_second: float
    """How many of those for each walker, when there are most."""


class Growing(NamedTuple):
    """A table that every day adds to."""

    size: TableSize
    """What one day of the sample left there."""
    how_long: str
    """How long rows are kept, in words."""
    days: int
    """As many days' rows are there at the same time; of tables that keep them for good, those of a year."""


@dataclass(frozen=True)
class Measured:
    """All that was found out."""

    crowd: Crowd
    day: Day
    kept: Kept
    telling: Telling
    live: dict[str, Live]
    hearing_us: float
    costs: Costs
    parts: int

    @cached_property
    def peak(self) -> int:
        """The hour (UTC) with the most messages."""
        return max(range(24), key=lambda hour: self._sum("messages", hour))

    @cached_property
    def peak_of_events(self) -> int:
        """The one with the most events."""
        return max(range(24), key=lambda hour: self._sum("events", hour))

    # -- rates -------------------------------------------------------------------------------------------------------

    def a_day(self, what: str) -> Estimate:
        """For each walker and day."""
        return self._estimate(lambda part: sum(self._counted(what, hour, part) for hour in range(24)))

    def a_second(self, what: str, hour: int | None = None) -> Estimate:
        """For each walker, in a second of the peak hour."""
        at = self.peak if hour is None else hour
        return self._estimate(lambda part: self._counted(what, at, part) / HOUR_S)

    def inbox_rows(self) -> Estimate:
        """For each walker and day."""
        told = self.telling.told
        return self._estimate(lambda part: sum(rows for (_, of), rows in told.items() if of == part))

    @property
    def results_a_second(self) -> float:
        """Results of days for each walker: they come at the pace of freezing, whatever the hour."""
        return len(self.kept.results) / len(self.crowd.walkers) / DAY_S

    def pushes(self) -> Estimate:
        """For each walker and day, those without a device included."""
        having = statistics.fmean(walker.has_phone for walker in self.crowd.walkers)
        found = [self.telling.pushes[walker.number] * having for walker in self.telling.pushed_to]
        return Estimate(statistics.fmean(found), 2 * statistics.stdev(found) / len(found) ** 0.5)

    @property
    def friends(self) -> float:
        """Of each, in the mean."""
        return statistics.fmean(map(len, self.crowd.friends))

    # -- room --------------------------------------------------------------------------------------------------------

    def rows_of_each(self, table: TableSize) -> float:
        """Rows for each walker, for each walker and day of tables that grow."""
        people = len(self.crowd.walkers)
        if table.name in {"account", "user", "session", "friend_count"}:
            return table.rows / min(ACCOUNTS, people)
        if table.name == "friendship":
            return self.friends / 2
        if table.name in {"push", "delivery"}:
            having = statistics.fmean(walker.has_phone for walker in self.crowd.walkers)
            return table.rows / len(self.telling.pushed_to) * having
        return table.rows / people

    def of_steps(self) -> Iterator[Growing]:
        """Tables of the step service that every day adds to."""
        for table in self.kept.daily:
            yield Growing(table, "for good", YEAR_DAYS)

    def of_news(self) -> Iterator[Growing]:
        """Those of the notification service."""
        days = {"notification": INBOX_KEPT.days, "push": _PUSHES_KEPT.days, "event_seen": EVENT_SEEN_DAYS}
        for table in self.telling.tables:
            kept = days.get(table.name, 0)
            yield Growing(table, f"{kept} days" if kept else "until sent", kept)

    # -- processors, at the peak, for each walker: share of one -------------------------------------------------------

    def stepping(self) -> float:
        """Of the step processes, without hearing of each other."""
        costs, look_us = self.costs, self.look_us
        return 1e-6 * (
            self.a_second("messages").value * (costs.message + look_us)
            + self.a_second("frames").value * costs.frame
            + self.a_second("snapshots").value * costs.opened(self.friends)
        )

    def hearing(self) -> float:
        """Of every single step process."""
        return 1e-6 * self.a_second("totals told").value * self.hearing_us

    def redis(self, live: Live) -> float:
        """Of Redis."""
        told, read = self.a_second("totals told").value, self.a_second("snapshots").value
        return 1e-6 * (told * live.apply_us + read * live.read_us)

    def mysql(self) -> float:
        """Of the step service's MySQL, by readings alone."""
        return 1e-6 * self.a_second("rows written").value * self.kept.mysql_us_a_row

    def notifying(self) -> float:
        """Of the notification service, in its own busiest hour."""
        events = self.a_second("events", self.peak_of_events).value
        having = statistics.fmean(walker.has_phone for walker in self.crowd.walkers)
        planning = self.telling.planning_cpu_s / len(self.telling.pushed_to) * having
        return events * self.telling.taking_cpu_s / self.telling.events + planning / LOUD_S

    @property
    def look_us(self) -> float:
        """What the overtakes worker takes for a walker who has walked, spread over all messages."""
        messages = self._sum("messages", None)
        return self.day.tally.looking_s / messages * 1e6

    def processors(self, users: float, live: Live) -> dict[str, float]:
        """How many cores *users* walkers take at the peak, each used to `BUSY`; of step processes, infinitely many at some point."""
        left = BUSY - users * self.hearing()
        step = users * self.stepping() / left if left > 0 else float("inf")
        return {
            "step": step,
            "MySQL of step": users * self.mysql() / BUSY,
            "Redis": users * self.redis(live) / BUSY,
            "notification": users * self.notifying() / BUSY,
        }

    def users_on(self, cores: float, live: Live) -> float:
        """How many walkers so many cores hold, everything spread evenly over them."""
        low, high = 0.0, 1e9
        for _ in range(60):
            middle = (low + high) / 2
            if sum(self.processors(middle, live).values()) <= cores:
                low = middle
            else:
                high = middle
        return low

    # -- limits ------------------------------------------------------------------------------------------------------

    def limits(self, live: Live, users: float) -> list[Limit]:
        """What there is one of, the first to be full first; what is made and how long it takes is said of *users* walkers."""
        telling, kept, boards = self.telling, self.kept, self.kept.daily[1]
        told, rows = self.a_second("totals told").value, self.a_second("rows written").value
        events = self.a_second("events", self.peak_of_events).value + self.results_a_second
        event_us, board_us = telling.taking_s / telling.events * 1e6, kept.settling_s / boards.rows * 1e6
        redis, mysql_us, hearing_us = self.redis(live), kept.mysql_us_a_row, self.hearing_us
        every = "in every process, however many there are"
        return sorted(
            [
                Limit(
                    f"the {SHARES} lanes of events from step to notification", SHARES * 1e6 / (event_us * events),
                    f"each in order, by one process at a time: {SHARES} times {1e6 / event_us:,.0f} of "
                    f"{events * users:,.0f} a second",
                    event_us / SHARES, events,
                ),
                Limit(
                    "freezing the boards of a date", FREEZE_S * 1e6 / board_us,
                    f"one process at a time: {1e6 / board_us:,.0f} boards a second, {users * board_us / 1e6 / HOUR_S:.1f} hours",
                    board_us, 1 / DAY_S,
                ),
                Limit(
                    "one Redis server", BUSY / redis, f"{live.apply_us:.1f} µs a total, {live.read_us:.0f} µs a board",
                    live.apply_us, told,
                ),
                Limit(
                    "hearing of every total", HEARING / self.hearing(), f"{hearing_us:.2f} µs a total, {every}",
                    hearing_us, told,
                ),
                Limit(
                    "MySQL of the step service", BUSY * PRIMARY_CORES / self.mysql(),
                    f"{mysql_us:.0f} µs a row, {PRIMARY_CORES} cores", mysql_us, rows,
                ),
            ],
            key=lambda limit: limit.users,
        )  # fmt: skip

    def streams(self, users: float) -> tuple[float, float]:
        """Boards that are watched at the same moment, and processes for them by the limit of streams alone."""
        watched = users * self.a_second("seconds watched").value
        return watched, watched / MAX_STREAMS

    # -- the sample --------------------------------------------------------------------------------------------------

    def _counted(self, what: str, hour: int, part: int) -> float:
        return self.day.tally.counts[what, hour, part]

    def _sum(self, what: str, hour: int | None) -> float:
        counts = self.day.tally.counts
        return sum(number for (of, at, _), number in counts.items() if of == what and hour in (None, at))

    def _estimate(self, of_part: Callable[[int], float]) -> Estimate:
        sizes = [0] * self.parts
        for walker in self.crowd.walkers:
            sizes[walker.part] += 1
        each = [of_part(part) / sizes[part] for part in range(self.parts)]
        return Estimate(statistics.fmean(each), 2 * statistics.stdev(each) / self.parts**0.5)
