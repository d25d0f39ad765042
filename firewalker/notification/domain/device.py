"""What is pushed to: an installation of the app, by the registration that FCM knows it by."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from firewalker.kernel.ids import SessionId, UserId
from firewalker.kernel.texts import is_printable

MAX_DEVICES = 20
"""Most devices of a user: as many as sessions that can be alive (contract)."""

MAX_LABEL = 64
MAX_TOKEN = 2_048
"""Characters. Tokens of today have some 160; they are documented as opaque. The rest of a message has to fit beside it."""
MAX_FID = 64
MAX_VERSION = 32
MAX_LOCALE = 35

UNSEEN = timedelta(days=60)
"""A device whose app was not opened for so long is not pushed to any more (FCM-16)."""

OLDEST = timedelta(days=270)
"""FCM itself lets Android registrations lapse after 270 days without contact (FCM documentation, token management)."""


_OPAQUE = re.compile(r"[ !#-\[\]-~]+")
"""ASCII without quotes and backslashes: each character is one byte of a message."""


class Platform(Enum):
    """What runs on a device."""

    ANDROID = "ANDROID"
    IOS = "IOS"
    WEB = "WEB"


class Target(Enum):
    """How FCM knows an installation; the value is the field of its message."""

    TOKEN = "token"  # noqa: S105 - a field's name
    FID = "fid"


@dataclass(frozen=True, slots=True)
class Registration:
    """What FCM knows an installation by. A secret: whoever has it can be pushed to in its place."""

    target: Target
    value: str

    def __repr__(self) -> str:
        """Without the secret (FCM-20)."""
        return f"Registration({self.target.value}, {self.digest.hex()[:12]})"

    @property
    def digest(self) -> bytes:
        """SHA-256, 32 bytes: what it is compared by, and named by in logs."""
        return hashlib.sha256(f"{self.target.value}:{self.value}".encode()).digest()


def is_installation_id(text: str) -> bool:
    """Whether an app may call its installation *text*.

    Without a space at an end: to the database two names that differ in nothing but those at the end are one.
    """
    return 0 < len(text) <= MAX_LABEL and is_printable(text) and text == text.strip(" ")


def is_registration(text: str, longest: int) -> bool:
    """Whether *text*, of at most *longest* characters, may be what FCM calls an installation."""
    return len(text) <= longest and _OPAQUE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Device:
    """An installation that is pushed to."""

    installation_id: str
    user_id: UserId
    session_id: SessionId
    platform: Platform
    registration: Registration
    generation: UUID
    """New with every registration: what was found out about an earlier one says nothing about this one (FCM-05)."""
    app_version: str
    locale: str
    register_time: datetime
    last_seen_time: datetime
    last_success_time: datetime | None = None
