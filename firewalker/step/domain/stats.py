"""Statistics of daily totals: series, sums, averages, streaks, medians. Pure; what is absent from the totals has no data."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from firewalker.step.domain.day import HOURS, WHOLE_DATE
from firewalker.step.domain.goal import Goals
from firewalker.step.domain.period import Span

STREAK_DAYS = 400
"""How many days back streaks are looked for."""


class Point(NamedTuple):
    """One bar of a chart: a date, or one hour of it."""

    day: date
    hour: int
    """0 to 23; -1 for the whole date."""
    value: int
    has_data: bool
    goal: int
    """Steps wanted on the date; 0 for none."""
    goal_reached: bool


class Summary(NamedTuple):
    """What a span comes to."""

    total: int
    average: int
    """Over days with data, rounded down; 0 without any."""
    days: int
    """Days with data."""
    best: tuple[int, date] | None
    """Most steps and the first date with so many."""


class Streaks(NamedTuple):
    """Dates in a row on which the goal was reached."""

    current: int
    longest: int


def by_date(span: Span, totals: Mapping[date, int], goals: Goals) -> list[Point]:
    """A point for every date of *span*."""
    points, dates = [], span.dates()
    for day, goal in zip(dates, goals.daily(span.first, len(dates)), strict=True):
        steps = totals.get(day)
        value = steps or 0
        points.append(Point(day, -1, value, steps is not None, goal, 0 < goal <= value))
    return points


def by_hour(day: date, counts: Sequence[int] | None, goal: int) -> list[Point]:
    """A point for every hour label of *day*, from its merged 25 counts; None if it has no data.

    An hour has data up to the last one in which steps were counted: later ones may only not have been told yet. What
    was counted for the whole date alone is in no hour.
    """
    hours = [0] * HOURS if counts is None else list(counts[:WHOLE_DATE])
    told = max((hour for hour, steps in enumerate(hours) if steps), default=-1)
    points, walked = [], 0
    for hour, steps in enumerate(hours):
        walked += steps
        points.append(Point(day, hour, steps, hour <= told, goal, 0 < goal <= walked))
    return points


def summary(span: Span, totals: Mapping[date, int]) -> Summary:
    """The sum over *span*, and what follows from it."""
    within = [(steps, day) for day, steps in totals.items() if span.first <= day <= span.last]
    if not within:
        return Summary(0, 0, 0, None)
    total = sum(steps for steps, _ in within)
    most = max(steps for steps, _ in within)
    return Summary(total, total // len(within), len(within), (most, min(day for steps, day in within if steps == most)))


def streaks(totals: Mapping[date, int], goals: Goals, last_settled: date) -> Streaks:
    """Runs of dates on which the goal as of the date was reached, among the `STREAK_DAYS` up to *last_settled*.

    A date without data or without a goal breaks a run. The current one is the run that *last_settled* belongs to; what
    comes after it is not settled and neither counts nor breaks.
    """
    run = longest = 0
    first = last_settled - timedelta(days=STREAK_DAYS - 1)
    for ordinal, goal in enumerate(goals.daily(first, STREAK_DAYS), first.toordinal()):
        run = run + 1 if 0 < goal <= totals.get(date.fromordinal(ordinal), 0) else 0
        longest = max(longest, run)
    return Streaks(run, longest)


def change_percent(before: Summary, after: Summary) -> int | None:
    """By how many percent the average rose, rounded towards zero; None if one of the two has nothing to compare."""
    if not before.average or not after.days:
        return None
    return int((after.average - before.average) * 100 / before.average)


def median(values: Iterable[int]) -> int:
    """The middle one, of an even number the mean of the middle two, rounded down; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2
