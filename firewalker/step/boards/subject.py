"""A walker on watched boards: one standing for all boards that show the same dates of them."""

from datetime import date
from math import inf
from typing import TYPE_CHECKING

from firewalker.step.domain.circle import Person, Scope
from firewalker.step.domain.day import UserTotal
from firewalker.step.domain.leaderboard import Standing, fresh_until, no_data, standing_of

if TYPE_CHECKING:
    from firewalker.step.boards.board import WatchedBoard
    from firewalker.step.boards.subjects import Subjects


class Subject:
    """One walker on one date. Tells its boards when its standing is another; that may be by time alone (freshness)."""

    __slots__ = ("_subjects", "boards", "due", "known", "person", "scope", "standing", "total")

    def __init__(self, person: Person, scope: Scope, subjects: "Subjects") -> None:
        self.scope = scope
        """The date, or the dates whose totals are added up."""
        self._subjects = subjects
        self.person = person
        self.total: UserTotal | None = None
        self.known = False
        """Whether the total has been heard of or looked up: until then it is not known that there is none."""
        self.standing: Standing = no_data(person)
        self.boards: dict[WatchedBoard, None] = {}
        self.due = inf

    def fall_due(self, now: float) -> None:
        """The freshness may have changed."""
        self.refresh(self._subjects.now_ms(), now)

    def hear(self, total: UserTotal) -> None:
        """Take in what is said of the total. Never goes back: what is older than what is known changes nothing."""
        self.known = True
        merged = total if self.total is None else self.total.merged(total)
        if merged != self.total:
            self.total = merged
            self.refresh_now()

    def rename(self, person: Person) -> None:
        """Show the walker as *person* from now on; whether their goals are shared, in haste."""
        before = self.person
        if person != before or person.goals != before.goals:
            self.person = person
            self.refresh_now()
        if person.goals.shared is not before.goals.shared:
            for board in self.boards:
                board.touch(person.user_id, in_haste=True)

    def refresh_now(self) -> None:
        """Make the standing anew as of now."""
        self.refresh(self._subjects.now_ms(), self._subjects.monotonic())

    def refresh(self, now_ms: int, now: float) -> None:
        """Make the standing anew, tell the boards if it is another, and come back when it ages."""
        day = self.scope if isinstance(self.scope, date) else None
        standing = standing_of(self.person, day, self.total, now_ms)
        if self.total is not None:
            until_ms = fresh_until(self.total.last_reading_ms, now_ms)
            if until_ms is not None and self.boards:
                self._subjects.agenda.put(self, now + (until_ms - now_ms) / 1000)
        if standing != self.standing:
            self.standing = standing
            for board in self.boards:
                board.touch(standing.user_id)
