"""Statistics of a group, of what one member sees of it. Pure: what is not seen is in no sum, so none can be told from one."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from firewalker.step.domain.circle import Person
from firewalker.step.domain.stats import median

FEWEST_FOR_DISTRIBUTION = 5
"""Members with data that a distribution is made of at least (contract): of fewer it would show single people."""


class Cell(NamedTuple):
    """One member and one place on the axis: the steps of so many days with data."""

    steps: int
    days: int


class MemberStats(NamedTuple):
    """One member's numbers, as seen."""

    person: Person
    seen: bool
    """Whether the steps are; if not, the rest is empty."""
    cells: list[Cell | None]
    """One for each place on the axis; None without data."""
    total: int
    average: int
    days: int


class SumPoint(NamedTuple):
    """All members seen at one place on the axis."""

    day: date
    total: int
    active: int
    """How many of them have data."""


class Distribution(NamedTuple):
    """How the totals of active members lie, from least to most."""

    least: int
    lower_quartile: int
    middle: int
    upper_quartile: int
    most: int


class GroupNumbers(NamedTuple):
    """The numbers of a group in one period."""

    members: list[MemberStats]
    """Most steps first; those who are not seen last."""
    sums: list[SumPoint]
    total: int
    active: int
    mean: int
    distribution: Distribution | None


def numbers_of(
    axis: Sequence[date], people: Sequence[Person], seen: Mapping[bytes, Mapping[date, Cell]], hidden: set[bytes]
) -> GroupNumbers:
    """Put the numbers of *people* together; *seen* has the steps of those who are not *hidden*, by date of the *axis*."""
    members = [_member(axis, person, seen.get(person.user_id, {}), person.user_id not in hidden) for person in people]
    members.sort(key=lambda one: (not one.seen, -one.total, one.person.user_id))
    sums = []
    for place, day in enumerate(axis):
        steps = [cell.steps for one in members if (cell := one.cells[place]) is not None]
        sums.append(SumPoint(day, sum(steps), len(steps)))
    totals = [one.total for one in members if one.days]
    total = sum(totals)
    return GroupNumbers(members, sums, total, len(totals), total // max(1, len(totals)), distribution(totals))


def distribution(totals: Sequence[int]) -> Distribution | None:
    """The quartiles of *totals*, each half without the middle one; None of fewer than `FEWEST_FOR_DISTRIBUTION`."""
    if len(totals) < FEWEST_FOR_DISTRIBUTION:
        return None
    ordered = sorted(totals)
    half = len(ordered) // 2
    return Distribution(ordered[0], median(ordered[:half]), median(ordered), median(ordered[-half:]), ordered[-1])


def _member(axis: Sequence[date], person: Person, cells: Mapping[date, Cell], seen: bool) -> MemberStats:  # noqa: FBT001 - private, and called once
    total = sum(cell.steps for cell in cells.values())
    days = sum(cell.days for cell in cells.values())
    return MemberStats(person, seen, [cells.get(day) for day in axis], total, total // max(1, days), days)
