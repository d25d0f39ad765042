"""What a watcher is told. Values that all watchers of a board share, down to their bytes once one of them needed those."""

from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import TypeAlias

from firewalker.step.domain.board import Change
from firewalker.step.domain.leaderboard import Row


@dataclass(slots=True)
class Snapshot:
    """The whole board of a date, as *me* (16-byte id) sees it."""

    day: date
    version: str
    me: bytes
    rows: list[Row]
    wire: bytes = field(default=b"", repr=False)
    """The serialised answer; empty until the door has made it. The same in the updates below."""


@dataclass(slots=True)
class Changes:
    """What leads from an earlier version to *version*."""

    version: str
    me: bytes
    change: Change
    wire: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class Heartbeat:
    """Nothing happened for a while."""

    version: str
    wire: bytes = field(default=b"", repr=False)


class EndReason(Enum):
    """Why watching is over; names as in the proto."""

    DAY_OVER = "day_over"
    SERVER_DRAINING = "server_draining"
    REPLACED = "replaced"
    SESSION_REVOKED = "session_revoked"
    ACCESS_TOKEN_EXPIRED = "access_token_expired"  # noqa: S105 - no password


@dataclass(slots=True)
class End:
    """Watching is over; the last thing a watcher is told."""

    reason: EndReason
    version: str
    wire: bytes = field(default=b"", repr=False)


Update: TypeAlias = Snapshot | Changes | Heartbeat | End
