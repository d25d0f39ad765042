"""Codes of invitations: long enough not to be guessed, short enough for a QR picture, easy to read out."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from firewalker.kernel.ids import UserId

GOOD_FOR = timedelta(days=7)
"""How long a code can be used (contract)."""

MAX_INVITES = 20
"""Most codes of a user, or of a group, that are good at the same time."""

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 of them, 5 bits each; upper case, because QR pictures hold these in less room. Without 0, 1, I and O."""

_LENGTH = 16
"""80 bits: nobody finds a code by trying."""

_CODE = re.compile(f"[{_LETTERS}]{{{_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class Invite:
    """A code that stands for its maker until it expires."""

    code: str
    user_id: UserId
    expire_time: datetime


def new_code() -> str:
    """A code that nobody has had."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def parse_code(text: str) -> str | None:
    """Read a code as people type it, in any case and with hyphens or spaces; None if it cannot be one."""
    code = text.upper().replace("-", "").replace(" ", "") if len(text) <= 2 * _LENGTH else ""
    return code if _CODE.fullmatch(code) else None
