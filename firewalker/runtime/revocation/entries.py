"""What is announced about an ended session, and under which keys of Redis.

`{rv}:stream` holds the entries of the last 15 minutes; `{rv}:epoch` a random name of this Redis's memory, missing once it was
emptied; `{rv}:beat` lets one of several feeds write the heartbeat. All of them are on one server of a cluster: only so the
epoch tells of the stream.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from firewalker.kernel.ids import SessionId

TAG = "rv"
STREAM = f"{{{TAG}}}:stream"
EPOCH = f"{{{TAG}}}:epoch"
BEAT = f"{{{TAG}}}:beat"

KEEP = timedelta(minutes=15)
"""How far back the stream reaches: the longest life of an access token, and room."""

BEAT_S = 0.5
"""Between heartbeats (AUTH-23)."""

BATCH = 1000
"""Entries read or written at once."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """The end of one session. Who signs out everywhere ends each of theirs."""

    session_id: SessionId
    reason: str = ""
    time: datetime | None = None
    """When it was decided; now if left out."""


Replay = Callable[[datetime], Awaitable[Iterable[Revocation]]]
"""Gives from MySQL everything revoked since a moment."""


def to_ms(time: datetime) -> bytes:
    """Milliseconds since 1970, as text."""
    return str(round(time.timestamp() * 1000)).encode()


def from_ms(milliseconds: bytes) -> datetime:
    """The instant, aware, in UTC."""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
