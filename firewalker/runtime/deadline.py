"""The deadline of the present call: set by the edge, honoured by everything that waits (MySQL, Redis, onward calls)."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

from firewalker.kernel.faults import DeadlineExceeded

current: ContextVar[float | None] = ContextVar("deadline", default=None)
"""When the call has to be done, in the seconds of `time.monotonic`; None where nobody waits (background work)."""


def remaining() -> float | None:
    """Seconds left, never negative; None without a deadline."""
    at = current.get()
    return None if at is None else max(0.0, at - monotonic())


def within(limit_s: float) -> float:
    """The smaller of *limit_s* and what the deadline leaves, in seconds, more than 0.

    Raises:
        DeadlineExceeded: Nothing is left; do not start the work.
    """
    left = remaining()
    if left is None:
        return limit_s
    if left <= 0:
        raise DeadlineExceeded
    return min(limit_s, left)


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Run the block under a deadline of *seconds* from now, or under none at all.

    It never extends a deadline that is already set; None removes it, for work that outlives its call.
    """
    before = current.get()
    at = None if seconds is None else monotonic() + seconds
    token = current.set(at if at is None or before is None else min(at, before))
    try:
        yield
    finally:
        current.reset(token)


async def pause(seconds: float) -> None:
    """Sleep *seconds*, for a repeat that is worth it only if the deadline is later.

    Raises:
        DeadlineExceeded: The deadline would pass first; raised at once.
    """
    left = remaining()
    if left is not None and left <= seconds:
        raise DeadlineExceeded
    await asyncio.sleep(seconds)
