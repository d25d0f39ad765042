"""Pictures of statistics: which numbers and words are in one. What a number means is `stats`' work."""

from datetime import date
from typing import Protocol

from firewalker.kernel.ids import UserId
from firewalker.step.domain.chart import Chart, Style, my_chart
from firewalker.step.domain.period import Period
from firewalker.step.usecases.stats import Stats


class Drawing(Protocol):
    """Draws (`firewalker.step.charts.lane`)."""

    async def draw(self, chart: Chart) -> bytes:
        """The picture as a file."""


class Charts:
    """Turns statistics into pictures."""

    def __init__(self, stats: Stats, drawing: Drawing) -> None:
        self._stats = stats
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
