"""A walker on boards of several dates: what they walked on those that stand, and on those that still change."""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from firewalker.step.boards.subject import Subject
from firewalker.step.domain.circle import Person
from firewalker.step.domain.day import UserTotal
from firewalker.step.domain.period import Span
from firewalker.step.usecases.group_boards import Walked, added

if TYPE_CHECKING:
    from firewalker.step.boards.subjects import Subjects


class Tally(Subject):
    """The sum of one walker's totals on some dates, for all boards that add up the same dates."""

    __slots__ = ("_open", "_open_from", "_settled", "counted", "unsettlings")

    def __init__(self, person: Person, counted: tuple[Span, ...], subjects: "Subjects") -> None:
        super().__init__(person, counted, subjects)
        self.counted = counted
        self._settled: UserTotal | None = None
        self._open: dict[date, UserTotal] = {}
        self._open_from = date.min
        """Earlier dates are in what is settled."""
        self.unsettlings = 0
        """How often what is settled had to be looked up again: what was read before the last time may be outdated."""

    def dates(self, first: date) -> Iterable[date]:
        """The dates that count, from *first* on."""
        return (day for span in self.counted for day in span.dates() if day >= first)

    def settle(self, walked: Walked | None, open_from: date) -> None:
        """Take in what was looked up, with the dates from *open_from* on apart; what was heard of these meanwhile stays."""
        self._open_from = open_from
        self._open = {day: total for day, total in self._open.items() if day >= open_from}
        self._settled = None if walked is None else walked.settled
        if walked is not None:
            for day, total in walked.open.items():
                self._merge(day, total)
        self.known = True
        self._add_up()

    def unsettle(self) -> None:
        """What is settled counts otherwise now: it has to be looked up again."""
        self.known = False
        self.unsettlings += 1

    def hear_on(self, day: date, total: UserTotal) -> None:
        """Take in what is said of one of its dates; of settled ones see `Subjects.unsettle`."""
        if day >= self._open_from and self._merge(day, total) and self.known:
            self._add_up()

    def _merge(self, day: date, total: UserTotal) -> bool:
        known = self._open.get(day)
        merged = self._open[day] = total if known is None else total.merged(known)
        return merged != known

    def _add_up(self) -> None:
        total = self._settled
        for of_day in self._open.values():
            total = of_day if total is None else added(total, of_day)
        if total != self.total:
            self.total = total
            self.refresh_now()
