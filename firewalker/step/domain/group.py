"""Groups: who is in one for which dates, and what a member sees of the others. Steps are not here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import NamedTuple, NewType
from uuid import UUID

from firewalker.kernel.days import day_end
from firewalker.kernel.zone_history import ZoneHistory
from firewalker.step.domain.circle import Circle, Person, Scope
from firewalker.step.domain.day import SETTLING, last_final
from firewalker.step.domain.period import Period, Span
from firewalker.step.domain.visibility import Visibility

GroupId = NewType("GroupId", UUID)


class Change(NamedTuple):
    """Somebody joined a group or left it."""

    at: datetime
    joined: bool


class Stay(NamedTuple):
    """A time in a group; *until* is None while it lasts."""

    since: datetime
    until: datetime | None


def stays(changes: Iterable[Change]) -> list[Stay]:
    """The times in a group that *changes* of one user come to, oldest first, whatever order they are told in.

    Of a leaving and a joining at the same instant the leaving came first: nobody can leave what they have not joined.
    """
    found: list[Stay] = []
    since: datetime | None = None
    for at, joined in sorted(changes):
        if joined and since is None:
            since = at
        elif not joined and since is not None:
            found.append(Stay(since, at))
            since = None
    if since is not None:
        found.append(Stay(since, None))
    return found


def counted(times: Iterable[Stay], zones: ZoneHistory, span: Span) -> tuple[Span, ...]:
    """The dates of *span* that count for a member: those, in the member's own zone, on which they were one.

    A date counts whole, also the first and the last one.
    """
    found: list[Span] = []
    for since, until in times:
        first = max(zones.today(since), span.first)
        last = span.last if until is None else min(zones.today(until), span.last)
        if found and first <= found[-1].last:  # left and joined again on one date
            found[-1] = Span(found[-1].first, max(found[-1].last, last))
        elif first <= last:
            found.append(Span(first, last))
    return tuple(found)


@dataclass(frozen=True)
class GroupCircle(Circle):
    """The members of a group whom one of them, *me*, may see, on the board of one period.

    Who has left is on no board any more; who is blocked, either way, is on none of the other's.
    """

    group_id: bytes = b""
    name: str = ""
    period: Period = Period.DAY
    span: Span = Span(date.min, date.min)  # noqa: RUF009 - a value
    dates: Mapping[bytes, tuple[Span, ...]] = field(default_factory=dict)
    """The dates of *span* that count for each member, by 16-byte id; who has none is left out."""

    @cached_property
    def shown(self) -> tuple[Person, ...]:
        """Everybody on the board: who is a member for at least one of its dates."""
        return tuple(person for person in self.people if person.user_id in self.dates)

    def members(self, day: date, now: datetime) -> tuple[Person, ...]:  # noqa: ARG002 - it is of one period, and of now
        """Who is on the board."""
        return self.shown

    def scope(self, day: date, user: bytes) -> Scope:
        """The date, or the dates of the period that count for *user*."""
        return day if self.period is Period.DAY else self.dates[user]

    def midnight(self, day: date) -> datetime:  # noqa: ARG002 - as above
        """When the period is over for the member whose board this is, in UTC."""
        return day_end(self.span.last, self.me.zone_on(self.span.last))

    def freeze_time(self, day: date) -> datetime:  # noqa: ARG002 - as above
        """When the board stands for good."""
        last = self.span.last
        zones = {person.zone_on(last) for person in (self.me, *self.shown)}
        return min(max(day_end(last, zone) for zone in zones) + SETTLING, last_final(last))

    def counts(self, user: bytes, day: date) -> bool:
        """Whether the steps of *user* on *day* count here."""
        return any(first <= day <= last for first, last in self.dates.get(user, ()))

    def spans(self, last: date) -> list[tuple[bytes, Span]]:
        """Every member's dates that count, up to *last*."""
        return [
            (user, Span(first, min(end, last)))
            for user, spans in self.dates.items()
            for first, end in spans
            if first <= last
        ]

    def seen(self) -> list[Person]:
        """Those on the board whose steps are seen, be it rounded."""
        return [person for person in self.shown if self.sight(person.user_id) <= Visibility.ROUNDED]
