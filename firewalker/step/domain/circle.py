"""Who is on a walker's board: the walker and their friends, with what a row shows of each. Steps are not here."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from firewalker.kernel.days import day_end
from firewalker.step.domain.day import SETTLING, first_final, last_final

UTC_ZONE = ZoneInfo("UTC")
"""The zone of a walker whose own is not known yet."""


@dataclass(frozen=True, slots=True)
class Person:
    """What a board shows of a walker besides steps. *user_id* is the id's 16 bytes: ids are compared millions of times."""

    user_id: bytes
    text_id: str
    nickname: str = ""
    avatar_url: str = ""
    zone: ZoneInfo = UTC_ZONE


@dataclass(frozen=True, slots=True)
class Friend:
    """Somebody's friend, and since when."""

    person: Person
    since: datetime


@dataclass(frozen=True)
class Circle:
    """A walker and their friends, as of one reading of the projection. Whose board it is comes first in `people`."""

    me: Person
    friends: tuple[Friend, ...] = ()

    @cached_property
    def people(self) -> tuple[Person, ...]:
        """Everybody on the open board, each once."""
        return (self.me, *(friend.person for friend in self.friends))

    def midnight(self, day: date) -> datetime:
        """When *day* is over for the walker whose board this is, in UTC."""
        return day_end(day, self.me.zone)

    def freeze_time(self, day: date) -> datetime:
        """When the board of *day* stands for good: all its members' days are FINAL, or 00:00 UTC of date + 2."""
        zones = {person.zone for person in self._at_midnight(day)}
        final = max(day_end(day, zone) for zone in zones) + SETTLING
        return min(final, last_final(day))

    def members(self, day: date, now: datetime) -> tuple[Person, ...]:
        """Who is on the board of *day*: today's friends while it is open, those of the walker's midnight once frozen."""
        return self._at_midnight(day) if self.is_frozen(day, now) else self.people

    def is_frozen(self, day: date, now: datetime) -> bool:
        """Whether the board of *day* stands for good at *now*."""
        # Most boards read are of today, and today is final nowhere on Earth: no zone has to be looked at.
        return now >= first_final(day) and now >= self.freeze_time(day)

    def _at_midnight(self, day: date) -> tuple[Person, ...]:
        midnight = self.midnight(day)
        return (self.me, *(friend.person for friend in self.friends if friend.since < midnight))
