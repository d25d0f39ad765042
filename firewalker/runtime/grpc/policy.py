"""Who may call a method, and within which bounds. Every method has an entry: a door with a missing one never starts."""

from dataclasses import dataclass
from enum import Enum


class Caller(Enum):
    """Who may call."""

    PUBLIC = "public"
    """Anybody. A valid access token, if one is sent, still sets the principal; an invalid one is as good as none."""
    USER = "user"
    """Who presents a valid access token of a live session."""
    SERVICE = "service"
    """Another service of this backend, by its credential; only on the internal port."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The bounds of one method."""

    caller: Caller
    """Who may call."""
    deadline_s: float = 5.0
    """Most seconds that a unary call may take; a client's shorter deadline wins (NET-30). Streams have only the client's."""
    max_message_bytes: int = 65_536
    """Largest message taken, in bytes, before the five bytes of its prefix (NET-01)."""
    idle_s: float = 300.0
    """Longest wait for the next message of a client stream, in seconds (the contract's 5 minutes)."""

    def __post_init__(self) -> None:
        if self.deadline_s <= 0 or self.idle_s <= 0 or self.max_message_bytes <= 0:
            raise ValueError(f"bounds must be positive: {self}")
