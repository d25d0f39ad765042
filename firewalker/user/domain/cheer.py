"""Cheers: a word among friends that costs nothing and is told at once."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from firewalker.kernel.ids import UserId


class CheerKind(Enum):
    """How somebody cheers."""

    CLAP = 1
    FIRE = 2
    HEART = 3
    STRONG = 4
    THUMBS_UP = 5


@dataclass(frozen=True, slots=True)
class CheerSent:
    """*sender* cheered *receiver*, a friend."""

    sender: UserId
    receiver: UserId
    kind: CheerKind
    at: datetime
