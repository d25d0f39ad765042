"""How a user wants to be told: by which channel per type, when not, and in which language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from zoneinfo import ZoneInfo

from firewalker.kernel.days import parse_zone
from firewalker.kernel.ids import UserId
from firewalker.kernel.languages import lives_in_korean
from firewalker.notification.domain.notification import KINDS, Type
from firewalker.notification.domain.quiet_hours import QuietHours


class Locale(Enum):
    """A language that notifications are written in."""

    EN = "en"
    KO = "ko"


def locale_of(tag: str) -> Locale | None:
    """The language of a BCP 47 *tag* such as `ko-KR`; None if notifications are not written in it."""
    language = tag.replace("_", "-").partition("-")[0].lower()
    return next((locale for locale in Locale if locale.value == language), None)


class Channel(Enum):
    """Where a type of notifications goes."""

    PUSH = "PUSH"
    """Into the inbox, and pushed."""
    INBOX = "INBOX"
    """Into the inbox alone."""
    OFF = "OFF"
    """Nowhere."""


class PushText(Enum):
    """What a push says (FCM-21)."""

    FULL = "FULL"
    """What has happened, and who did it."""
    BARE = "BARE"
    """That there is something new: a locked phone, and whoever carries the push, learns of it only the channel, which is
    security, people or standings, and how long it is news."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a user chose. Types that are not in *channels* are pushed; *locale* is None until it is chosen."""

    channels: Mapping[Type, Channel] = field(default_factory=dict)
    quiet_hours: QuietHours = field(default_factory=QuietHours)
    locale: Locale | None = None
    push_text: PushText = PushText.FULL

    def channel(self, kind: Type) -> Channel:
        """Where notifications of this type go."""
        return self.channels.get(kind, Channel.PUSH)


@dataclass(frozen=True, slots=True)
class Recipient:
    """What is known of a user here."""

    user_id: UserId
    preferences: Preferences = field(default_factory=Preferences)
    time_zone: str = "UTC"
    device_locale: Locale | None = None
    """Language of the device that was registered last."""
    erased: bool = False
    """The account is gone: nothing may be stored for it any more."""

    @property
    def zone(self) -> ZoneInfo:
        """Where the user lives. A zone that this machine does not know is taken for UTC."""
        return parse_zone(self.time_zone) or ZoneInfo("UTC")

    def locale(self, default: Locale) -> Locale:
        """The language to write in."""
        known = self.preferences.locale or self.device_locale
        return known or (Locale.KO if lives_in_korean(self.time_zone) else default)

    def may_be_pushed_at(self, kind: Type, now: datetime) -> datetime:
        """The first instant from *now* on at which quiet hours let a push of this type through."""
        if KINDS[kind].in_quiet_hours:
            return now
        return self.preferences.quiet_hours.over_at(now, self.zone)
