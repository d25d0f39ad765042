"""Sessions: one sign-in on one device, kept alive by rotating its refresh token.

Rotation is confirmed by use. Of a session only the newest generation N of its refresh token exists; presenting N
makes N+1. Whoever presents N-1 gets N again: the answer that carried it was lost. Presenting N-1 *after* N was used
cannot be told from that by time, but it can by number: N's use made N+1, so N-1 is two behind. Two behind or more is
reuse, the mark of a stolen copy, and ends the session for both holders.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from firewalker.kernel.ids import SessionId, UserId
from firewalker.kernel.texts import is_printable
from firewalker.user.domain.faults import RefreshTokenInvalid
from firewalker.user.domain.refresh_token import RefreshKeys, RefreshToken

MAX_IDLE = timedelta(days=30)
"""How long a session lives without being refreshed (contract)."""

MAX_AGE = timedelta(days=180)
"""How long a session lives at all (contract)."""

MAX_LIVE_SESSIONS = 20
"""Most sessions of a user that are alive at once (contract, AUTH-17)."""

MAX_LABEL_LENGTH = 64
"""Most characters of an installation id or a device name (contract)."""

LABEL_RULE = f"must have at most {MAX_LABEL_LENGTH} characters, all of them printable"
"""What `is_label` asks for, in words for developers."""


class EndReason(Enum):
    """Why a session was ended before its time."""

    LOGOUT = 1
    REUSE = 2
    """An old refresh token was presented."""
    TOO_MANY = 3
    """A newer session took its place."""
    EVERYWHERE = 4
    """The user signed out everywhere."""
    REVOKED = 5
    """Ended from elsewhere: by the user, or by an operator with the account. Who it was stands in `account_decision`; a number
    of its own could not be read by the version before, which has to tell of ends during an upgrade."""
    PASSWORD = 6
    """The password was changed or reset elsewhere."""
    DELETED = 7
    """The account was deleted."""


class Rotation(Enum):
    """What presenting a refresh token did."""

    ADVANCED = 1
    """A new generation was made."""
    REPEATED = 2
    """The newest generation was given again."""
    REUSED = 3
    """The session was ended."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a session was opened, as told by the app. Empty where it did not tell."""

    installation_id: str = ""
    device_name: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A session, alive or ended. *generation*, *key_id* and *secret_hash* are those of its newest refresh token."""

    session_id: SessionId
    user_id: UserId
    generation: int
    key_id: bytes
    secret_hash: bytes
    create_time: datetime
    last_used_time: datetime
    client: Client = Client()
    end_time: datetime | None = None
    end_reason: EndReason | None = None

    @classmethod
    def open(cls, session_id: SessionId, user_id: UserId, client: Client, keys: RefreshKeys, at: datetime) -> "Session":
        """A new session with the first generation of its refresh token."""
        token = keys.issue(session_id, 1)
        return cls(session_id, user_id, 1, token.key_id, token.hash, create_time=at, last_used_time=at, client=client)

    @property
    def refresh_expire_time(self) -> datetime:
        """When the newest refresh token expires unless it is used before: 30 days idle, 180 days in all."""
        return min(self.last_used_time + MAX_IDLE, self.create_time + MAX_AGE)

    def is_alive(self, at: datetime) -> bool:
        """Neither ended nor expired at *at*."""
        return self.end_time is None and at < self.refresh_expire_time

    def rotate(self, presented: RefreshToken, keys: RefreshKeys, at: datetime) -> tuple[Rotation, "Session"]:
        """Judge an authentic token of this session and say what becomes of the session.

        After REUSED the session has ended and must be stored before the caller is refused. Judging the same token again
        gives the same: the successor, or REUSED.

        Raises:
            RefreshTokenInvalid: The session has ended or expired, or never had this token.
        """
        if self.end_reason is EndReason.REUSE and presented.generation < self.generation - 1:
            return Rotation.REUSED, self
        if not self.is_alive(at) or presented.generation > self.generation:
            raise RefreshTokenInvalid
        if presented.generation == self.generation:
            if not hmac.compare_digest(presented.hash, self.secret_hash):
                raise RefreshTokenInvalid
            following = keys.issue(self.session_id, self.generation + 1)
            return Rotation.ADVANCED, replace(
                self,
                generation=following.generation,
                key_id=following.key_id,
                secret_hash=following.hash,
                last_used_time=at,
            )
        if presented.generation == self.generation - 1:
            return Rotation.REPEATED, replace(self, last_used_time=at)
        return Rotation.REUSED, self.end(EndReason.REUSE, at)

    def end(self, reason: EndReason, at: datetime) -> "Session":
        """The session, ended. One that has ended already keeps its time and reason."""
        return self if self.end_time is not None else replace(self, end_time=at, end_reason=reason)

    def newest_token(self, keys: RefreshKeys) -> RefreshToken:
        """The refresh token that the client should hold now."""
        return keys.issue(self.session_id, self.generation, self.key_id)


def overflowing(alive: Iterable[Session]) -> Sequence[Session]:
    """Those of a user's living sessions that must end to make room for one more: the ones idle longest."""
    newest_first = sorted(alive, key=lambda session: (session.last_used_time, session.session_id), reverse=True)
    return newest_first[MAX_LIVE_SESSIONS - 1 :]


def is_label(text: str) -> bool:
    """Whether *text* can be an installation id or a device name."""
    return len(text) <= MAX_LABEL_LENGTH and is_printable(text)
