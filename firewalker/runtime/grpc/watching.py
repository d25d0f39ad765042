"""Ends of watched streams: for what the edge offers. What is watched, and why else watching is over, the services know.

Each has its reasons as an enum, named as in its proto; those of the edge's faults are named as the faults' reasons are.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Final, TypeVar

from firewalker.kernel.faults import AccessTokenExpired, Draining, Fault, SessionRevoked
from firewalker.runtime.grpc.streams import HotStream

_REFUSALS: Final = frozenset({AccessTokenExpired.reason, SessionRevoked.reason})
"""Ends after which the stream's status is the fault; the others are OK."""

R = TypeVar("R", bound=Enum)


def when_offered_its_end(stream: HotStream, end: Callable[[R], None], reasons: type[R]) -> None:
    """Call *end* once the edge offers *stream* its end, with the one of *reasons* that says why."""

    def offered(ending: "asyncio.Future[Fault]") -> None:
        if not ending.cancelled():
            named = reasons.__members__
            end(named.get(ending.result().reason, named[Draining.reason]))

    stream.ending.add_done_callback(offered)


def raise_refusal(stream: HotStream, reason: Enum) -> None:
    """Raise the fault that the stream was offered, if it ended for a *reason* that is to be its status too."""
    if reason.name in _REFUSALS:
        raise stream.ending.result()
