"""The walkers on watched boards: one standing each per dates, shared by all boards that show it, kept current by frames."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING

from firewalker.kernel.clock import Clock
from firewalker.kernel.days import latest_date
from firewalker.step.boards.agenda import Agenda
from firewalker.step.boards.subject import Subject
from firewalker.step.boards.tally import Tally
from firewalker.step.domain.circle import Circle, Person, Scope
from firewalker.step.domain.day import UserTotal, to_ms
from firewalker.step.usecases.group_boards import Walked, open_from

if TYPE_CHECKING:
    from firewalker.step.boards.board import WatchedBoard


class Subjects:
    """All walkers on watched boards of this process, by date and id."""

    def __init__(self, agenda: Agenda, clock: Clock) -> None:
        self.agenda = agenda
        self.monotonic = clock.monotonic
        self._clock = clock
        self._days: dict[Scope, dict[bytes, Subject]] = {}
        self._tallies: dict[date, dict[bytes, dict[Tally, None]]] = {}
        """By each date that can still change, and user, what adds it up."""
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
        """The walker's subject on *board*'s dates, which tells *board* from now on. New ones have no total yet."""
        scope = board.circle.scope(board.day, person.user_id)
        of_scope = self._days.setdefault(scope, {})
        subject = of_scope.get(person.user_id)
        if subject is None:
            subject = of_scope[person.user_id] = self._new(person, scope)
        subject.boards[board] = None
        subject.rename(person)
        return subject

    def detach(self, board: "WatchedBoard", user: bytes) -> None:
        """*board* does not show *user* any more; a walker on no board is forgotten."""
        subject = board.members.get(user)
        if subject is None:
            return
        subject.boards.pop(board, None)
        of_scope = self._days.get(subject.scope, {})
        if not subject.boards and of_scope.get(user) is subject:
            self.agenda.discard(subject)
            del of_scope[user]
            if not of_scope:
                del self._days[subject.scope]
            if isinstance(subject, Tally):
                self._forget(subject)

    def hear(self, day: date, totals: Iterable[tuple[bytes, UserTotal]]) -> None:
        """Take in totals of a date; of walkers on no board, nothing."""
        of_day, tallies = self._days.get(day), self._tallies.get(day)
        if of_day is None and tallies is None:
            return
        for user, total in totals:
            subject = None if of_day is None else of_day.get(user)
            if subject is not None:
                subject.hear(total)
            if tallies is not None:
                for tally in tallies.get(user, ()):
                    tally.hear_on(day, total)

    def settle(self, day: date, users: Iterable[bytes], totals: Mapping[bytes, UserTotal]) -> None:
        """Take in what was looked up for *users*; who is not in *totals* has no reading, unless one was heard of."""
        of_day = self._days.get(day, {})
        tallies = self._tallies.get(day, {})
        for user in users:
            total = totals.get(user)
            if total is not None:
                for tally in tallies.get(user, ()):
                    tally.hear_on(day, total)
            subject = of_day.get(user)
            if subject is None:
                continue
            if total is not None:
                subject.hear(total)
            if not subject.known:
                subject.known = True
                for board in subject.boards:
                    board.touch(user)

    def unsettle(self, day: date, users: Iterable[bytes]) -> "Iterable[WatchedBoard]":
        """What *users* walked on *day*, final everywhere, counts otherwise now: a review may do that.

        Sums cannot tell what of them was that date's: these boards have to look them up again. They are few, and so are
        such news, so every set of dates is looked at.
        """
        boards: dict[WatchedBoard, None] = {}
        for scope, of_scope in self._days.items():
            if isinstance(scope, date) or not any(first <= day <= last for first, last in scope):
                continue
            for user in users:
                subject = of_scope.get(user)
                if isinstance(subject, Tally):
                    subject.unsettle()
                    boards.update(subject.boards)
        return boards

    def unsettlings(self, circle: Circle, users: Iterable[bytes]) -> dict[bytes, int]:
        """For `settle_tallies`, before *users* are looked up."""
        return {user: tally.unsettlings for user in users if (tally := self._tally(circle, user)) is not None}

    def settle_tallies(
        self, circle: Circle, unsettlings: Mapping[bytes, int], walked: Mapping[bytes, Walked], first_open: date
    ) -> None:
        """The same for walkers on the board of a period, whose members *circle* has; dates from *first_open* are apart.

        *unsettlings* are those from before the look-up, by user. Whoever was unsettled meanwhile stays so: what was read
        of them may be older, and their boards look them up again.
        """
        for user, before in unsettlings.items():
            tally = self._tally(circle, user)
            if tally is not None and tally.unsettlings == before:
                tally.settle(walked.get(user), first_open)
                for board in tally.boards:
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
        latest = latest_date(self.utc())
        places = [(day, user) for day, of_day in self._days.items() if isinstance(day, date) for user in of_day]
        places += [(day, user) for day, tallies in self._tallies.items() if day <= latest for user in tallies]
        self._round = iter(places)

    def _tally(self, circle: Circle, user: bytes) -> Tally | None:
        subject = self._days.get(circle.scope(date.min, user), {}).get(user)
        return subject if isinstance(subject, Tally) else None

    def _new(self, person: Person, scope: Scope) -> Subject:
        if isinstance(scope, date):
            return Subject(person, scope, self)
        tally = Tally(person, scope, self)
        for day in tally.dates(open_from(self.utc())):
            self._tallies.setdefault(day, {}).setdefault(person.user_id, {})[tally] = None
        return tally

    def _forget(self, tally: Tally) -> None:
        user = tally.person.user_id
        for day in tally.dates(date.min):
            of_day = self._tallies.get(day, {})
            tallies = of_day.get(user, {})
            if tally in tallies:
                del tallies[tally]
                if not tallies:
                    del of_day[user]
                if not of_day:
                    del self._tallies[day]
