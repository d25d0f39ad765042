"""Calls that the other side never began are made once more: refused streams, and those above the last of a GOAWAY.

Nothing else is ever repeated (NET-33): of a call that is lost any other way it is not known what it has done.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import grpclib.client
from grpclib.exceptions import StreamTerminatedError
from grpclib.utils import DeadlineWrapper, Wrapper

if TYPE_CHECKING:
    _Base = grpclib.client.Stream[Any, Any]
else:
    _Base = object


class NeverBegan(StreamTerminatedError):
    """The peer said that it has not looked at the call."""


class RepeatedOnce(_Base):
    """Mixed into a stream of grpclib's: a unary call is made again, on another connection if this one is leaving."""

    _message: Any = None
    _repeated = False

    async def send_message(self, message: Any, *, end: bool = False) -> None:
        """Send *message*; kept until the answer begins."""
        if self._cardinality.client_streaming or self._cardinality.server_streaming:
            await super().send_message(message, end=end)
            return
        self._message = message
        before = cancellations()
        try:
            await super().send_message(message, end=end)
        except NeverBegan as error:
            self._begin_again(error, before)
            await super().send_message(message, end=end)

    async def recv_initial_metadata(self) -> None:
        """Wait for the answer to begin."""
        before = cancellations()
        try:
            await super().recv_initial_metadata()
        except NeverBegan as error:
            if self._message is None:
                raise
            self._begin_again(error, before)
            await super().send_message(self._message, end=True)
            await super().recv_initial_metadata()

    def _begin_again(self, error: NeverBegan, cancellations: int) -> None:
        """Be as if nothing had been sent. Raises *error* if that was done before."""
        if self._repeated:
            raise error
        self._repeated = True
        take_back(self._wrapper, cancellations)
        if self._send_request_done:
            self._release_stream()
        self._send_request_done = self._send_message_done = self._end_done = False
        self._recv_initial_metadata_done = False
        if self._wrapper_ctx is not None:
            self._wrapper_ctx.__exit__(None, None, None)
            self._wrapper_ctx = None
        if self._deadline is None:
            self._wrapper = Wrapper()
        else:
            self._wrapper = DeadlineWrapper()
            context = self._wrapper.start(self._deadline)
            context.__enter__()
            self._wrapper_ctx = context
        wake_once(self._wrapper)


def cancellations() -> int:
    """How many cancellations the present task counts."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def wake_once(wrapper: Wrapper) -> None:
    """Let the first error stand, and wake who waits once: an answer and the deadline may both come before that one runs.

    Each waking is a cancellation that the task counts; `take_back` takes one back.
    """
    wake = wrapper.cancel

    def cancel(error: Exception) -> None:
        if not wrapper.cancelled:
            wake(error)

    wrapper.cancel = cancel  # type: ignore[method-assign]  # of this one alone


def take_back(wrapper: Wrapper, before: int) -> None:
    """Undo that grpclib wakes whoever waits by a cancellation, which the task then still counts.

    An `asyncio.timeout` around such a task would later take its own end for somebody else's. A cancellation that did come
    from somebody else is passed on. *before* is what the task counted before the call.
    """
    task = asyncio.current_task()
    if task is None:
        return
    if wrapper.cancel_failed is False and task.cancelling() > before:
        task.uncancel()
    if task.cancelling() > before:
        raise asyncio.CancelledError
