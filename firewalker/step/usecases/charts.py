"""Pictures of statistics: which numbers and words are in one. What a number means is `stats`' work."""

from datetime import date
from typing import Protocol

from firewalker.kernel.ids import UserId
from firewalker.step.domain.chart import Chart, Style, group_chart, my_chart
from firewalker.step.domain.group import GroupId
from firewalker.step.domain.period import Period
from firewalker.step.usecases.group_stats import StatsOfGroups
from firewalker.step.usecases.stats import Stats


class Drawing(Protocol):
    """Draws (`firewalker.step.charts.lane`)."""

    async def draw(self, chart: Chart) -> bytes:
        """The picture as a file."""


class Charts:
    """Turns statistics into pictures."""

    def __init__(self, stats: Stats, of_groups: StatsOfGroups, drawing: Drawing) -> None:
        self._stats = stats
        self._of_groups = of_groups
        self._drawing = drawing

    async def mine(self, caller: UserId, period: Period, asked: date | None, style: Style) -> bytes:
        """The caller's own numbers, as a file.

        Raises:
            StatsDateOutOfRange: There can be none of that date.
            Overloaded, PictureUnavailable: It cannot be drawn now.
            DatabaseUnavailable, DeadlineExceeded: The numbers could not be read.
        """
        found = await self._stats.mine(caller, period, asked, compared=False)
        chart = my_chart(style, period, found.span, found.series, found.summary)
        return await self._drawing.draw(chart)

    async def of_group(
        self, viewer: UserId, group_id: GroupId, period: Period, asked: date | None, *, style: Style
    ) -> bytes:
        """A group's numbers as the viewer sees them, as a file.

        Raises:
            GroupNotFound: The viewer is in no such group.
            StatsDateOutOfRange: There can be none of that date.
            Overloaded, PictureUnavailable: It cannot be drawn now.
            DatabaseUnavailable, DeadlineExceeded: The numbers could not be read.
        """
        found = await self._of_groups.of(viewer, group_id, period, asked)
        chart = group_chart(style, period, found.circle.span, found.circle.name, axis=found.axis, numbers=found.numbers)
        return await self._drawing.draw(chart)
