"""How a client makes calls that may fail: two outcomes besides an answer, and patience with those that pass.

A refusal comes from the server and has a status and a reason; unreachable means that no answer came. What grpclib and
the sockets below it raise is turned into these two here and nowhere else.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TypeVar

import h2.exceptions
from google.rpc import error_details_pb2
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from grpclib.protocol import Connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

T = TypeVar("T")

LOST = (OSError, StreamTerminatedError, ProtocolError, h2.exceptions.H2Error)
"""How a connection or stream that has ended shows in grpclib. OSError holds ConnectionError and TimeoutError; h2's errors
come of writing to what has just ended."""

CALL_LIMIT_S = 10.0
"""How long one unary call may take. Sign-up waits for the password lane: up to 2 s there before it is refused."""

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
"""Bounds of the pause before a repeat; it doubles in between and is cut by up to half at random, so that the clients of
a server that came back do not all arrive at the same moment."""

PASSING = frozenset(
    {Status.UNAVAILABLE, Status.ABORTED, Status.RESOURCE_EXHAUSTED, Status.DEADLINE_EXCEEDED, Status.CANCELLED}
)
"""Statuses that a repeat of the same call may overcome."""


class CallError(Exception):
    """A call that was not answered with OK."""

    passing = True
    """Whether a repeat is worth it."""
    reason = ""
    """The stable reason of the contract; empty if the server gave none."""
    retry_after_s = 0.0
    """How long the server asks to wait, in seconds; 0 if it does not say."""


class UnreachableError(CallError):
    """No answer: refused, cut or silent connection."""


class RefusedError(CallError):
    """The server answered with a status other than OK."""

    def __init__(self, status: Status, message: str, reason: str, retry_after_s: float) -> None:
        super().__init__(f"{reason or status.name}: {message}")
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.passing = status in PASSING

    @classmethod
    def of(cls, error: GRPCError) -> Self:
        """Read the status with its details: the reason from ErrorInfo, the delay from RetryInfo."""
        reason, retry_after_s = "", 0.0
        for detail in error.details or ():
            if isinstance(detail, error_details_pb2.ErrorInfo):
                reason = detail.reason
            elif isinstance(detail, error_details_pb2.RetryInfo):
                retry_after_s = detail.retry_delay.ToTimedelta().total_seconds()
        return cls(error.status, error.message or "", reason, retry_after_s)


@contextmanager
def outcomes() -> Iterator[None]:
    """Let only `RefusedError` and `UnreachableError` out of the calls made inside.

    Raises:
        RefusedError: The server answered with a status other than OK.
        UnreachableError: No answer came.
    """
    try:
        yield
    except GRPCError as error:
        raise RefusedError.of(error) from None
    except LOST as error:
        raise UnreachableError(str(error) or type(error).__name__) from None
    except AttributeError as error:
        # grpclib takes a connection that was lost while it was made for a good one, whose parts are gone.
        if not isinstance(error.obj, Connection):
            raise
        raise UnreachableError("the connection was lost while it was made") from None


class Pauses:
    """The pauses between repeats: longer each time, until `over` says that it worked."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S

    async def take(self, asked_s: float = 0.0) -> None:
        """Wait before the next attempt, at least the *asked_s* seconds that the server wants."""
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        await asyncio.sleep(asked_s + self._next_s * spread)
        self._next_s = min(self._next_s * 2, LONGEST_PAUSE_S)

    def over(self) -> None:
        """Start again with the shortest pause."""
        self._next_s = FIRST_PAUSE_S


async def patiently(call: Callable[[], Awaitable[T]], within_s: float = 60.0) -> T:
    """Make *call* until it is answered, repeating it while its failures are passing ones and *within_s* is not over.

    Only for calls that may be repeated.

    Raises:
        CallError: The last failure.
    """
    give_up = time.monotonic() + within_s
    pauses = Pauses()
    while True:
        try:
            with outcomes():
                return await call()
        except CallError as error:
            if not error.passing or time.monotonic() + error.retry_after_s > give_up:
                raise
            await pauses.take(error.retry_after_s)
