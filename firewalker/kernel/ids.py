"""Identifiers: UUIDv7, so that a later id sorts behind an earlier one and primary keys grow at the end.

In Python an id is a `uuid.UUID` under a name of its own; on the wire it is the usual 36 characters; in MySQL it is
`BINARY(16)` (`id.bytes`).
"""

import os
import re
import time
from datetime import UTC, datetime, timedelta
from typing import NewType
from uuid import UUID

UserId = NewType("UserId", UUID)
SessionId = NewType("SessionId", UUID)
EventId = NewType("EventId", UUID)
MailId = NewType("MailId", UUID)
NotificationId = NewType("NotificationId", UUID)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def new_uuid7(unix_ms: int | None = None) -> UUID:
    """Make a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits.

    Ids of the same millisecond are in no order. *unix_ms* defaults to the machine's time; hand in the clock's where
    the order matters to a test.
    """
    ms = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    random = int.from_bytes(os.urandom(10), "big")
    value = (ms & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | (random >> 68) << 64
    value |= 0b10 << 62 | random & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=value)


def new_uuid7_at(at: datetime) -> UUID:
    """Make a UUIDv7 of that instant, which is aware."""
    return new_uuid7((at - _EPOCH) // timedelta(milliseconds=1))


def parse_uuid(text: str) -> UUID | None:
    """Read the canonical 36 characters; None for anything else.

    `uuid.UUID` alone also takes braces, a URN prefix and misplaced hyphens, so that one id would have many spellings.
    """
    return UUID(text) if _CANONICAL.fullmatch(text) else None
