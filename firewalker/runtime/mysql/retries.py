"""Repeating a whole transaction after an error that undid it. What counts as such is in `errors`."""

import functools
import random
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, overload

from firewalker.kernel.faults import Contention
from firewalker.runtime import deadline
from firewalker.runtime.metrics import TRANSACTION_REPEATS
from firewalker.runtime.mysql.errors import ConnectionLost, OutcomeUnknown

MAX_REPEATS = 5
"""How often a transaction runs again before its fault travels on (DATA-03)."""

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.25

P = ParamSpec("P")
R = TypeVar("R")


@overload
def retried(method: Callable[P, Awaitable[R]], /) -> Callable[P, Awaitable[R]]: ...
@overload
def retried(*, idempotent: bool) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]: ...
def retried(method: Callable[P, Awaitable[R]] | None = None, /, *, idempotent: bool = False) -> object:
    """Run the coroutine function again, up to 5 times, when its transaction was undone through no fault of its own.

    For one that opens exactly one transaction and has no other effect. Repeated are: deadlock, lock wait, snapshot
    conflict, a demoted server, and a connection lost before COMMIT was sent; with *idempotent* also one that was lost
    after it, where doing it twice is the same as once. Pauses grow from 10 ms to 250 ms, at random, and end with the
    call's deadline.

    Raises:
        Contention: Undone every time.
        DatabaseUnavailable: The connection was lost every time, or none could be opened (not repeated).
    """
    if method is None:
        return functools.partial(_retried, idempotent=idempotent)
    return _retried(method, idempotent=idempotent)


for _cause in (Contention, ConnectionLost, OutcomeUnknown):
    TRANSACTION_REPEATS.labels(_cause.__name__)


def _retried(method: Callable[P, Awaitable[R]], *, idempotent: bool) -> Callable[P, Awaitable[R]]:
    repeatable = (Contention, ConnectionLost, OutcomeUnknown) if idempotent else (Contention, ConnectionLost)

    @functools.wraps(method)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for repeat in range(MAX_REPEATS):
            try:
                return await method(*args, **kwargs)
            except repeatable as fault:
                TRANSACTION_REPEATS.labels(type(fault).__name__).inc()
                longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**repeat)
                left_s = deadline.remaining()
                if left_s is not None and left_s <= longest_s:
                    raise  # no time for another run: the caller learns why, not just that time is up
                await deadline.pause(random.uniform(0, longest_s))  # noqa: S311 - spreads, protects nothing
        return await method(*args, **kwargs)

    return run
