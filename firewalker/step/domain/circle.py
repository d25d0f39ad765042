"""Who is on a walker's board: the walker and their friends, with what a row shows of each. Steps are not here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Self, TypeAlias
from zoneinfo import ZoneInfo

from firewalker.kernel.days import day_end
from firewalker.kernel.zone_history import UTC_ZONE, ZoneChanges, ZoneHistory
from firewalker.step.domain.day import SETTLING, first_final, last_final
from firewalker.step.domain.goal import NO_GOALS, Goals
from firewalker.step.domain.period import Span
from firewalker.step.domain.visibility import BEFRIENDED, Bond, Visibility, visible

__all__ = ["UTC_ZONE", "Circle", "Friend", "Person"]

Scope: TypeAlias = date | tuple[Span, ...]
"""A date, or several."""


@dataclass(frozen=True, slots=True)
class Person:
    """What a board shows of a walker besides steps. *user_id* is the id's 16 bytes: ids are compared millions of times.

    *zone* is the walker's first time zone, *zone_changes* are the later ones.
    """

    user_id: bytes
    text_id: str
    nickname: str = ""
    avatar_url: str = ""
    zone: ZoneInfo = UTC_ZONE
    zone_changes: ZoneChanges = ()
    goals: Goals = field(default=NO_GOALS, compare=False)
    """Those of the last dates. Left out of comparisons: what a board shows of them is in the standing."""
    known: bool = field(default=True, compare=False)
    """Whether it has been told where they live."""

    @property
    def zones(self) -> ZoneHistory:
        """The walker's zones by date."""
        return ZoneHistory(self.zone, self.zone_changes)

    def zone_on(self, day: date) -> ZoneInfo:
        """The zone that the walker's *day* begins and ends in."""
        return self.zones.on(day) if self.zone_changes else self.zone


@dataclass(frozen=True, slots=True)
class Friend:
    """Somebody's friend, since when, and what the two show each other (the viewer is whose friend it is)."""

    person: Person
    since: datetime
    bond: Bond = BEFRIENDED


@dataclass(frozen=True)
class Circle:
    """A walker and their friends, as of one reading of the projection. Whose board it is comes first in `people`."""

    me: Person
    friends: tuple[Friend, ...] = ()

    def with_goals(self, goals: Mapping[bytes, Goals]) -> Self:
        """The same people with their *goals*, by 16-byte id; who has none is left out there."""
        if not goals:
            return self

        def known(person: Person) -> Person:
            found = goals.get(person.user_id)
            return person if found is None else replace(person, goals=found)

        return replace(
            self,
            me=known(self.me),
            friends=tuple(replace(friend, person=known(friend.person)) for friend in self.friends),
        )

    @cached_property
    def people(self) -> tuple[Person, ...]:
        """Everybody on the open board, each once."""
        return (self.me, *(friend.person for friend in self.friends))

    @cached_property
    def veils(self) -> Mapping[bytes, Visibility]:
        """What the walker sees of those friends of whom not everything is seen."""
        me = self.me.user_id
        seen = ((friend.person.user_id, visible(me, friend.person.user_id, friend.bond)) for friend in self.friends)
        return {user: visibility for user, visibility in seen if visibility is not Visibility.FRIENDS}

    def sight(self, user: bytes) -> Visibility:
        """What the walker sees of *user*, somebody of the circle."""
        return self.veils.get(user, Visibility.FRIENDS)

    def scope(self, day: date, user: bytes) -> Scope:  # noqa: ARG002 - `GroupCircle` has another answer
        """The dates whose steps count on the board of *day* for *user*."""
        return day

    def midnight(self, day: date) -> datetime:
        """When *day* is over for the walker whose board this is, in UTC."""
        return day_end(day, self.me.zone_on(day))

    def freeze_time(self, day: date) -> datetime:
        """When the board of *day* stands for good: all its members' days are FINAL, or 00:00 UTC of date + 2."""
        return _freeze_time(self._at_midnight(day), day)

    def members(self, day: date, now: datetime) -> tuple[Person, ...]:
        """Who is on the board of *day*: today's friends while it is open, those of the walker's midnight once frozen.

        Of these, who is no friend any more is gone from every board.
        """
        return self.frozen_members(day, now) or self.people

    def frozen_members(self, day: date, now: datetime) -> tuple[Person, ...] | None:
        """Who is on the board of *day* if it stands for good at *now*; None while it does not."""
        # Most boards read are of today, and today is final nowhere on Earth: no zone has to be looked at.
        if now < first_final(day):
            return None
        members = self._at_midnight(day)
        return members if now >= _freeze_time(members, day) else None

    def is_frozen(self, day: date, now: datetime) -> bool:
        """Whether the board of *day* stands for good at *now*."""
        return now >= first_final(day) and now >= self.freeze_time(day)

    def _at_midnight(self, day: date) -> tuple[Person, ...]:
        midnight = self.midnight(day)
        return (self.me, *(friend.person for friend in self.friends if friend.since < midnight))


def _freeze_time(members: Iterable[Person], day: date) -> datetime:
    zones = {person.zone_on(day) for person in members}
    final = max(day_end(day, zone) for zone in zones) + SETTLING
    return min(final, last_final(day))
