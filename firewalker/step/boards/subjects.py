"""The walkers on watched boards: one standing each per date, shared by all boards that show it, kept current by frames."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from math import inf
from typing import TYPE_CHECKING

from firewalker.kernel.clock import Clock
from firewalker.step.boards.agenda import Agenda
from firewalker.step.domain.circle import Person
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.domain.leaderboard import Standing, fresh_until, no_data, standing_of

if TYPE_CHECKING:
    from firewalker.step.boards.board import WatchedBoard


class Subject:
    """One walker on one date. Tells its boards when its standing is another; that may be by time alone (freshness)."""

    __slots__ = ("_day", "_subjects", "boards", "due", "known", "person", "standing", "total")

    def __init__(self, person: Person, day: date, subjects: "Subjects") -> None:
        self._day = day
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
            self.refresh(self._subjects.now_ms(), self._subjects.monotonic())

    def rename(self, person: Person) -> None:
        """Show the walker as *person* from now on."""
        if person != self.person or person.goals != self.person.goals:
            self.person = person
            self.refresh(self._subjects.now_ms(), self._subjects.monotonic())

    def refresh(self, now_ms: int, now: float) -> None:
        """Make the standing anew, tell the boards if it is another, and come back when it ages."""
        standing = standing_of(self.person, self._day, self.total, now_ms)
        if self.total is not None:
            until_ms = fresh_until(self.total.last_reading_ms, now_ms)
            if until_ms is not None and self.boards:
                self._subjects.agenda.put(self, now + (until_ms - now_ms) / 1000)
        if standing != self.standing:
            self.standing = standing
            for board in self.boards:
                board.touch(standing.user_id)


class Subjects:
    """All walkers on watched boards of this process, by date and id."""

    def __init__(self, agenda: Agenda, clock: Clock) -> None:
        self.agenda = agenda
        self.monotonic = clock.monotonic
        self._clock = clock
        self._days: dict[date, dict[bytes, Subject]] = {}
        self._round: Iterator[tuple[date, bytes]] = iter(())

    def utc(self) -> datetime:
        """The present."""
        return self._clock.now()

    def now_ms(self) -> int:
        """The present, in Unix milliseconds."""
        return to_ms(self._clock.now())

    def __len__(self) -> int:
        return sum(map(len, self._days.values()))

    def attach(self, board: "WatchedBoard", person: Person) -> Subject:
        """The walker's subject on *board*'s date, which tells *board* from now on. New ones have no total yet."""
        of_day = self._days.setdefault(board.day, {})
        subject = of_day.get(person.user_id)
        if subject is None:
            subject = of_day[person.user_id] = Subject(person, board.day, self)
        subject.boards[board] = None
        subject.rename(person)
        return subject

    def detach(self, board: "WatchedBoard", user: bytes) -> None:
        """*board* does not show *user* any more; a walker on no board is forgotten."""
        of_day = self._days.get(board.day, {})
        subject = of_day.get(user)
        if subject is None:
            return
        subject.boards.pop(board, None)
        if not subject.boards:
            self.agenda.discard(subject)
            del of_day[user]
            if not of_day:
                del self._days[board.day]

    def hear(self, day: date, totals: Iterable[tuple[bytes, UserTotal]]) -> None:
        """Take in totals of a date; of walkers on no board, nothing."""
        of_day = self._days.get(day)
        if of_day is None:
            return
        for user, total in totals:
            subject = of_day.get(user)
            if subject is not None:
                subject.hear(total)

    def settle(self, day: date, users: Iterable[bytes], totals: Mapping[bytes, UserTotal]) -> None:
        """Take in what was looked up for *users*; who is not in *totals* has no reading, unless one was heard of."""
        of_day = self._days.get(day, {})
        for user in users:
            subject = of_day.get(user)
            if subject is None:
                continue
            total = totals.get(user)
            if total is not None:
                subject.hear(total)
            if not subject.known:
                subject.known = True
                for board in subject.boards:
                    board.touch(user)

    def next_round(self, most: int) -> Mapping[date, list[bytes]]:
        """The next *most* walkers of the round, by date; none when everybody has had a turn."""
        stretch: dict[date, list[bytes]] = {}
        for _ in range(most):
            found = next(self._round, None)
            if found is None:
                break
            stretch.setdefault(found[0], []).append(found[1])
        return stretch

    def restart_round(self) -> None:
        """Begin the round anew with everybody who is on a board now."""
        self._round = iter([(day, user) for day, of_day in self._days.items() for user in of_day])
