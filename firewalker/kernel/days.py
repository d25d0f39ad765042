"""Civil dates and time zones. A day belongs to the walker: its date is a label, its bounds follow their zone."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

EARLIEST_OFFSET = timedelta(hours=14)
"""How far ahead of UTC civil time can be (Pacific/Kiritimati): where a date begins first."""

LATEST_OFFSET = timedelta(hours=-12)
"""How far behind UTC civil time can be (Etc/GMT+12): where a date ends last."""


@lru_cache(maxsize=1024)
def parse_date(text: str) -> date | None:
    """Read `YYYY-MM-DD`; None for anything else, such as week dates, which `date.fromisoformat` takes too."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


_NO_PLACES = frozenset({"localtime", "Factory"})
"""Names in some systems' folders that mean the machine's own zone, or none."""


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """The names of all IANA zones known here."""
    return frozenset(available_timezones()) - _NO_PLACES


@lru_cache(maxsize=1024)
def parse_zone(name: str) -> ZoneInfo | None:
    """The IANA zone of that name; None if there is none. What depends on the machine, such as `localtime`, is none."""
    return ZoneInfo(name) if name in zone_names() else None


def date_in(zone: ZoneInfo, at: datetime) -> date:
    """The civil date in *zone* at the instant *at*."""
    return at.astimezone(zone).date()


def day_end(day: date, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which *day* is over in *zone*: the first of the next date."""
    return datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)


def hour_end(day: date, hour: int, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which the local *hour* (0 to 23) of *day* is over in *zone*.

    An hour that the clocks repeat is over after its second run, one that they skip when it is skipped.
    """
    following = datetime.combine(day, time.min) + timedelta(hours=hour + 1)
    return following.replace(tzinfo=zone).astimezone(UTC)


def latest_date(at: datetime) -> date:
    """The furthest civil date that is today somewhere on Earth at *at*."""
    return (at + EARLIEST_OFFSET).date()


def earliest_date(at: datetime) -> date:
    """The rearmost civil date that is today somewhere on Earth at *at*."""
    return (at + LATEST_OFFSET).date()
