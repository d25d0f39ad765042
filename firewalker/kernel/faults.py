"""Faults: refusals that are part of the contract.

A use case or a domain rule raises a `Fault`; it travels by itself to the edge, the only place that turns it into a
gRPC status. Each service declares its own in `domain/faults.py`. What is not a `Fault` is a bug and reaches the
client as INTERNAL with a request id and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What a caller can do about a fault. Each has exactly one gRPC status (runtime/grpc/status.py)."""

    INVALID = "invalid"
    """The request itself is wrong; repeating it will not help."""
    UNAUTHENTICATED = "unauthenticated"
    """It is not known who is calling."""
    FORBIDDEN = "forbidden"
    """The caller may not do this."""
    NOT_FOUND = "not_found"
    """There is no such thing, or the caller may not know of it."""
    ALREADY_EXISTS = "already_exists"
    """Somebody else has it."""
    PRECONDITION = "precondition"
    """Not in the present state; something else has to happen first."""
    OUT_OF_RANGE = "out_of_range"
    """Well-formed, but outside of what can be asked for now."""
    CONFLICT = "conflict"
    """Another call was at it; repeat."""
    EXHAUSTED = "exhausted"
    """Too much; wait."""
    UNAVAILABLE = "unavailable"
    """Not now; repeat with a delay."""
    TIMED_OUT = "timed_out"
    """The deadline passed first."""
    UNSUPPORTED = "unsupported"
    """Not offered here."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request that is wrong. *field* is its proto path, such as `readings[3].hour`.

    *reason* is REQUIRED where nothing was given, a fault's own where the field alone would have been refused with it, and
    INVALID otherwise.
    """

    field: str
    description: str
    reason: str = "INVALID"


class Fault(Exception):
    """An expected, named refusal. Subclasses set *kind*, *reason* and *message*; instances may add particulars.

    *reason* is UPPER_SNAKE_CASE, unique and stable: clients branch on it. *message* is a sentence for developers.
    Neither ever contains what a user typed. *retry_after* tells how long to wait before a repeat is worth it.
    """

    kind: ClassVar[Kind]
    reason: ClassVar[str]
    message: ClassVar[str]

    def __init__(
        self,
        *,
        violations: Sequence[Violation] = (),
        retry_after: timedelta | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(self.message)
        self.violations = tuple(violations)
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})

    def told(self) -> str:
        """What the client reads: the message, unless the particulars say more."""
        return self.message


class InvalidRequest(Fault):
    """Some fields are missing or malformed; every one of them is in `violations`."""

    kind = Kind.INVALID
    reason = "INVALID_REQUEST"
    message = "The request is malformed."

    def told(self) -> str:
        """The first field and what is wrong with it: many clients show no details."""
        if not self.violations:
            return self.message
        first, others = self.violations[0], len(self.violations) - 1
        return f"{first.field}: {first.description}" + (f" (and {others} more)" if others else "")


class PageTokenInvalid(Fault):
    """The page token was not made by this service for this query."""

    kind = Kind.INVALID
    reason = "PAGE_TOKEN_INVALID"
    message = "The page token does not belong to this query."


class Unauthenticated(Fault):
    """No access token, or none that can be read."""

    kind = Kind.UNAUTHENTICATED
    reason = "ACCESS_TOKEN_INVALID"
    message = "A valid access token is required."


class AccessTokenExpired(Fault):
    """The access token was good once; refresh it."""

    kind = Kind.UNAUTHENTICATED
    reason = "ACCESS_TOKEN_EXPIRED"
    message = "The access token has expired."


class SessionRevoked(Fault):
    """The session of the access token has ended; sign in again."""

    kind = Kind.UNAUTHENTICATED
    reason = "SESSION_REVOKED"
    message = "The session has ended."


class ServiceCredentialInvalid(Fault):
    """The internal port was called without a service's credential."""

    kind = Kind.UNAUTHENTICATED
    reason = "SERVICE_CREDENTIAL_INVALID"
    message = "A valid service credential is required."


class Contention(Fault):
    """Other calls held the rows for too long, or the transaction was rolled back again and again."""

    kind = Kind.CONFLICT
    reason = "CONTENTION"
    message = "Other calls are changing the same data; try again."


class DatabaseUnavailable(Fault):
    """MySQL cannot be reached or refuses to work."""

    kind = Kind.UNAVAILABLE
    reason = "DATABASE_UNAVAILABLE"
    message = "The database is not available; try again."


class Overloaded(Fault):
    """A bounded queue is full."""

    kind = Kind.EXHAUSTED
    reason = "OVERLOADED"
    message = "Too much is going on; try again."


class Draining(Fault):
    """This process is stopping."""

    kind = Kind.UNAVAILABLE
    reason = "SERVER_DRAINING"
    message = "The server is stopping; connect again."


class DeadlineExceeded(Fault):
    """The call's deadline passed before it was done."""

    kind = Kind.TIMED_OUT
    reason = "DEADLINE_EXCEEDED"
    message = "The deadline has passed."


class MessageTooLarge(Fault):
    """A message is larger than this method takes."""

    kind = Kind.EXHAUSTED
    reason = "MESSAGE_TOO_LARGE"
    message = "The message is too large."


class MalformedMessage(Fault):
    """The bytes are no message of the method's type."""

    kind = Kind.INVALID
    reason = "MALFORMED_MESSAGE"
    message = "The message cannot be decoded."


class StreamIdle(Fault):
    """A client stream sent nothing for too long."""

    kind = Kind.TIMED_OUT
    reason = "STREAM_IDLE"
    message = "Nothing was sent on the stream for too long."


class GroupNotFound(Fault):
    """There is no such group, or the caller may not know of it: nobody learns which. Any service that knows groups says so."""

    kind = Kind.NOT_FOUND
    reason = "GROUP_NOT_FOUND"
    message = "There is no such group."
