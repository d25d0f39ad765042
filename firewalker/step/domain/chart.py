"""What a picture of statistics shows: bars, lines and words, ready to be drawn. How it is drawn is `charts`' work."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby

from firewalker.step.domain.chart_words import LOCALES, WORDS, label_of, month_label, title_of
from firewalker.step.domain.group_stats import GroupNumbers
from firewalker.step.domain.period import Period, Span
from firewalker.step.domain.stats import Point, Summary

WIDTHS = range(240, 1_921)
"""Widths of a picture, in pixels."""

HEIGHTS = range(160, 1_081)
"""Heights of a picture, in pixels."""

DEFAULT_WIDTH = 360
"""That of a small phone."""

DEFAULT_HEIGHT = 240

MOST_NAMED = 5
"""Members of a group that have a colour of their own; more could not be told apart."""

LONGEST_NAME = 10
"""Characters of a member's name: three columns of a legend on a small phone."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a picture is to look."""

    format: str = "svg"
    """`svg` or `png`."""
    width: int = DEFAULT_WIDTH
    height: int = DEFAULT_HEIGHT
    dark: bool = False
    locale: str = LOCALES[0]


@dataclass(frozen=True, slots=True)
class Bar:
    """One place on the horizontal axis."""

    label: str
    """Below it; empty where there is no room for one."""
    parts: tuple[int, ...]
    """What is stacked there, from below; empty is a gap: nothing is known of it."""
    goal: int = 0
    """What is wanted there; 0 for nothing."""
    reached: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of one period."""

    style: Style
    title: str
    subtitle: str
    bars: tuple[Bar, ...]
    name: str = ""
    """Whose it is, before the title as far as there is room; empty where it need not be said."""
    legend: tuple[str, ...] = ()
    """What each part is, where there are several."""
    cumulative: bool = False
    """Whether the goal is of the sum of all bars: it is drawn with a line that climbs to it."""

    def as_json(self) -> dict[str, object]:
        """For the process that draws; equal charts give equal values."""
        words = WORDS[self.style.locale]
        return asdict(self) | {"goal_word": words.goal, "no_data": words.none}


def my_chart(style: Style, period: Period, span: Span, series: Sequence[Point], summary: Summary) -> Chart:
    """The picture of a walker's own numbers. A year is drawn by month: the average over days with data."""
    words = WORDS[style.locale]
    subtitle = f"{words.total} {summary.total:,}"
    if period is not Period.DAY:
        subtitle += f" · {words.average} {summary.average:,}"
    bars = _by_month(style.locale, series) if period is Period.YEAR else _by_point(style.locale, period, series)
    return Chart(style, title_of(style.locale, period, span), subtitle, bars, cumulative=period is Period.DAY)


def group_chart(
    style: Style, period: Period, span: Span, name: str, *, axis: Sequence[date], numbers: GroupNumbers
) -> Chart:
    """The picture of a group: for each place on the axis the members with most steps, and the others as one."""
    words = WORDS[style.locale]
    active = [one for one in numbers.members if one.days]
    named, others = active[:MOST_NAMED], active[MOST_NAMED:]
    bars = []
    for place, point in enumerate(numbers.sums):
        parts = [cell.steps if (cell := one.cells[place]) is not None else 0 for one in named]
        if others:
            parts.append(point.total - sum(parts))
        by_month = period is Period.YEAR
        label = (
            month_label(style.locale, axis[place].month) if by_month else label_of(style.locale, period, axis[place])
        )
        bars.append(Bar(label, tuple(parts) if point.active else ()))
    legend = [_short(one.person.nickname) for one in named] + ([words.others.format(len(others))] if others else [])
    title, subtitle = title_of(style.locale, period, span), f"{words.total} {numbers.total:,}"
    return Chart(style, title, subtitle, tuple(bars), name, tuple(legend))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _by_point(locale: str, period: Period, series: Sequence[Point]) -> tuple[Bar, ...]:
    return tuple(
        Bar(
            label_of(locale, period, point.day, point.hour),
            (point.value,) if point.has_data else (),
            point.goal,
            point.goal_reached,
        )
        for point in series
    )


def _by_month(locale: str, series: Sequence[Point]) -> tuple[Bar, ...]:
    """Averages of each calendar month: of steps over the days with data, of goals over those of them that had one."""
    bars = []
    for month, found in groupby(series, key=lambda point: point.day.month):
        counted = [point for point in found if point.has_data]
        value = sum(point.value for point in counted) // max(1, len(counted))
        wanted = [point.goal for point in counted if point.goal]
        goal = sum(wanted) // max(1, len(wanted))
        bars.append(Bar(month_label(locale, month), (value,) if counted else (), goal, 0 < goal <= value))
    return tuple(bars)
