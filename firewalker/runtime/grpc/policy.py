"""Who may call a method, and within which bounds. Every method has an entry: a door with a missing one never starts."""

from dataclasses import dataclass
from enum import Enum, IntEnum

from firewalker.runtime.rate_limits import Rate


class Caller(Enum):
    """Who may call."""

    PUBLIC = "public"
    """Anybody. A valid access token, if one is sent, still sets the principal; an invalid one is as good as none."""
    USER = "user"
    """Who presents a valid access token of a live session."""
    SERVICE = "service"
    """Another service of this backend, by its credential; only on the internal port."""


class Priority(IntEnum):
    """What goes first when not everything can be done (NET-31). The lower the number, the more it matters."""

    HEALTH = 0
    """Never refused, never waits: a process that cannot say it is alive would be restarted in the middle of a rush."""
    SIGN_IN = 1
    """Keeping people signed in: without it they can do nothing, and come back all at once with their passwords."""
    UPLOAD = 2
    """Readings. Devices keep and repeat them, so each one refused comes again."""
    READ = 3
    """What somebody looks at now."""
    OTHER = 4
    """What can as well happen a second later: exports, changes of settings, calls between services."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The bounds of one method."""

    caller: Caller
    """Who may call."""
    deadline_s: float = 5.0
    """Most seconds that a unary call may take; a client's shorter deadline wins (NET-30). Streams have only the client's."""
    max_message_bytes: int = 65_536
    """Largest message taken, in bytes, before the five bytes of its prefix (NET-01)."""
    max_answer_bytes: int = 4_194_304
    """Largest message given, in bytes before compression; what clients of gRPC take unless told otherwise (NET-01)."""
    idle_s: float = 300.0
    """Longest wait for the next message of a client stream, in seconds (the contract's 5 minutes)."""
    body_s: float = 10.0
    """Longest wait for the one message of any other call, in seconds; its deadline may be shorter (NET-09)."""
    stream_messages: int = 100_000
    """Most messages that a client stream may bring; more than one each 10 ms for as long as an access token lasts (NET-20)."""
    stream_bytes: int = 268_435_456
    """The same in bytes, together."""
    stream_s: float = 3_600.0
    """Longest life of a stream, in seconds, before it is offered its end. Where a user calls, the access token mostly ends it
    earlier, and so does the age of its connection (NET-20)."""

    priority: Priority = Priority.OTHER
    """How much it matters under overload."""
    rate: Rate | None = None
    """How often one user may call methods of its class; where nobody is signed in, how often one address may (NET-34)."""

    keep_s: int = 0
    """How long anybody may keep a good answer and give it to anybody, in whole seconds: `cache-control` in its metadata, which
    the transcoder makes a header. 0 for answers that are one user's, or change at any moment."""

    sensitive: bool = False
    """Never let through by mistake: where it cannot be told whether the caller's session has ended, such a method is refused
    and others are not (AUTH-23). For what changes who has the account or who sees the steps, and for all of one's data."""

    def __post_init__(self) -> None:
        if (
            min(self.deadline_s, self.idle_s, self.body_s, self.stream_messages, self.stream_bytes, self.stream_s) <= 0
            or min(self.max_message_bytes, self.max_answer_bytes) <= 0
        ):
            raise ValueError(f"bounds must be positive: {self}")
