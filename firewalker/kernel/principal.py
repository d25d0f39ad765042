"""Who is calling, as verified by the edge."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from firewalker.kernel.ids import SessionId, UserId


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, through one session, by one access token that is good from *issued* until *expires*."""

    user_id: UserId
    session_id: SessionId
    token_id: str
    issued: datetime
    expires: datetime


current: ContextVar[Principal | None] = ContextVar("principal", default=None)
"""Set by the edge for the duration of a call. Others read it through `principal` or `find_principal`."""

current_site: ContextVar[str] = ContextVar("site", default="")
"""The address, of IPv6 the network of one customer, that a call comes from, as the edge counts it; empty where calls are not
counted. Set where nobody has to be signed in, and for sensitive methods."""


def principal() -> Principal:
    """The caller. Only methods whose policy asks for a user have one.

    Raises:
        LookupError: The method is public: its policy and its code disagree.
    """
    found = current.get()
    if found is None:
        raise LookupError("no principal: the method's policy admits anybody")
    return found


def find_principal() -> Principal | None:
    """The caller, or None where nobody has to be signed in."""
    return current.get()
