"""Users: persons, as they see themselves and as others see them, and what becomes of them when they change something."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum

from firewalker.kernel.days import day_end, parse_zone
from firewalker.kernel.ids import UserId
from firewalker.kernel.zone_history import UTC_ZONE, ZoneHistory
from firewalker.user.domain.faults import TimeZoneChangedToday
from firewalker.user.domain.nickname import Nickname

MILLISECOND = timedelta(milliseconds=1)


class Visibility(Enum):
    """How much of a user's steps friends may see."""

    FRIENDS = 1
    """The exact count."""
    ROUNDED = 2
    """The count rounded down to 500."""
    RANK_ONLY = 3
    """The rank alone."""
    HIDDEN = 4
    """Nothing; and the user sees nobody."""


@dataclass(frozen=True, slots=True)
class Card:
    """The part of a user that others see. *avatar_url* is empty where there is no picture."""

    user_id: UserId
    nickname: str
    avatar_url: str = ""


@dataclass(frozen=True, slots=True)
class ProfileChanged:
    """A user has another nickname or picture."""

    card: Card
    at: datetime


@dataclass(frozen=True, slots=True)
class TimeZoneChanged:
    """A user lives by another time zone from *first_date* on."""

    user_id: UserId
    time_zone: str
    first_date: date
    at: datetime


@dataclass(frozen=True, slots=True)
class VisibilityChanged:
    """A user shows everybody something else."""

    user_id: UserId
    visibility: Visibility
    at: datetime


ProfileEvent = ProfileChanged | TimeZoneChanged | VisibilityChanged


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user wants to be different; None: as it is."""

    nickname: Nickname | None = None
    time_zone: str | None = None
    visibility: Visibility | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A user, as that user sees themselves.

    *time_zone* is an IANA name. It holds from *zone_date* on; dates before had *zone_before*. *changed* is the time of
    the last change that others were told of: those times grow, because receivers go by them.
    """

    user_id: UserId
    nickname: Nickname
    email: str
    time_zone: str
    create_time: datetime
    avatar_url: str = ""
    visibility: Visibility = Visibility.FRIENDS
    email_verified: bool = False
    daily_goal: int | None = None
    zone_before: str | None = None
    zone_date: date | None = None
    changed: datetime | None = None

    @property
    def card(self) -> Card:
        """The part that others see."""
        return Card(self.user_id, self.nickname.text, self.avatar_url)

    @property
    def zones(self) -> ZoneHistory:
        """The user's zones, the last two of them."""
        newest = parse_zone(self.time_zone) or UTC_ZONE
        if self.zone_before is None or self.zone_date is None:
            return ZoneHistory(newest)
        return ZoneHistory(parse_zone(self.zone_before) or UTC_ZONE, ((self.zone_date, newest),))

    def wishing(self, wish: Wish, at: datetime) -> "tuple[User, Sequence[ProfileEvent]]":
        """The user with that wish fulfilled at *at*, and what there is to tell of it; nothing where nothing is different.

        Raises:
            TimeZoneChangedToday: The zone of the user's next date was chosen today already.
        """
        now, at = at, at if self.changed is None else max(at, self.changed + MILLISECOND)
        user, events = self, list[ProfileEvent]()
        if wish.nickname is not None and wish.nickname != user.nickname:
            user = replace(user, nickname=wish.nickname)
            events.append(ProfileChanged(user.card, at))
        if wish.visibility is not None and wish.visibility is not user.visibility:
            user = replace(user, visibility=wish.visibility)
            events.append(VisibilityChanged(user.user_id, wish.visibility, at))
        if wish.time_zone is not None and wish.time_zone != user.time_zone:
            first_date = self._first_date(now)
            user = replace(user, time_zone=wish.time_zone, zone_before=self.time_zone, zone_date=first_date)
            events.append(TimeZoneChanged(user.user_id, wish.time_zone, first_date, at))
        return (replace(user, changed=at) if events else user), events

    def picturing(self, avatar_url: str, at: datetime) -> "tuple[User, Sequence[ProfileEvent]]":
        """The user with that picture, empty for none, and what there is to tell of it."""
        if avatar_url == self.avatar_url:
            return self, ()
        at = at if self.changed is None else max(at, self.changed + MILLISECOND)
        user = replace(self, avatar_url=avatar_url, changed=at)
        return user, [ProfileChanged(user.card, at)]

    def _first_date(self, at: datetime) -> date:
        """The first date that a zone chosen at *at* holds on."""
        today = self.zones.today(at)
        first_date = today + timedelta(days=1)
        if self.zone_date is not None and first_date <= self.zone_date:
            raise TimeZoneChangedToday(retry_after=day_end(today, self.zones.on(today)) - at)
        return first_date


@dataclass(frozen=True, slots=True)
class UserDeleted:
    """The account of *user_id* is no more, and everything about it has to go."""

    user_id: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class UserSignedUp:
    """An account was made."""

    user: User
    at: datetime
