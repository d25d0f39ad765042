"""Cancelling a coroutine at a chosen point: wherever it can be suspended, it can be cancelled (NET-23)."""

import asyncio
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any


@types.coroutine
def cancelled_at(work: Coroutine[Any, Any, object], number: int) -> Generator[Any, Any, bool]:
    """Run *work* and cancel it at its suspension *number*, counted from 0; whether there was one.

    A cancellation that comes from outside before that is handed on, as it is.
    """
    seen = 0
    resume: Callable[[], Any] = lambda: work.send(None)  # noqa: E731
    while True:
        try:
            awaited = resume()
        except StopIteration:
            return False
        except asyncio.CancelledError:
            if seen <= number:
                raise
            return True
        if seen == number:
            if awaited is not None:
                awaited._asyncio_future_blocking = False
                awaited.cancel()
            resume = lambda: work.throw(asyncio.CancelledError())  # noqa: E731
        else:
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001 - handed on, whatever it is
                resume = lambda error=error: work.throw(error)  # type: ignore[misc]  # noqa: E731
            else:
                resume = lambda: work.send(None)  # noqa: E731
        seen += 1


async def every_cancellation(work: Callable[[], Coroutine[Any, Any, object]], most: int = 200) -> AsyncIterator[int]:
    """Run *work* again and again, cancelled a suspension later each time, until it comes through; yields after each."""
    for number in range(most):
        cancelled = await cancelled_at(work(), number)
        yield number
        if not cancelled:
            return
    raise AssertionError(f"not done after {most} suspensions")
