"""Frames and header blocks while they are not whole: how large they may get (NET-08), how long they may take (NET-09).

h2 gathers 64 CONTINUATION frames, a megabyte, and decodes them before it looks at the size of the list.
"""

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic

from h2.exceptions import DenialOfServiceError
from h2.frame_buffer import FrameBuffer
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, HeadersFrame, WindowUpdateFrame

from firewalker.runtime.grpc.limits import Limits

_NO_BLOCK = frozenset((DataFrame, WindowUpdateFrame))
"""The frequent frames that neither begin nor continue a header block."""

WEIGHT_OF_HEADERS = 5
"""As much work as so many other frames: a call is made and begins."""


class BoundedFrameBuffer(FrameBuffer):
    """h2's buffer of a server's incoming bytes."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(server=True)
        self._limits = limits
        self._block_bytes = 0
        self.allowance = inf
        """How much more is read before the connection has to wait for its next turn: frames, by `WEIGHT_OF_HEADERS`."""

    @property
    def behind(self) -> bool:
        """Whether there may be whole frames that were not read for want of an allowance."""
        return self.allowance <= 0 and bool(self._data)

    def __next__(self) -> Frame:
        if self.allowance <= 0:
            raise StopIteration
        frame: Frame = super().__next__()
        self.allowance -= WEIGHT_OF_HEADERS if type(frame) is HeadersFrame else 1
        return frame

    def _update_header_buffer(self, f: Frame | None) -> Frame | None:
        if not self._headers_buffer and f is not None and f.__class__ in _NO_BLOCK:
            return f
        if isinstance(f, HeadersFrame):
            self._block_bytes = len(f.data)
        elif isinstance(f, ContinuationFrame):
            self._block_bytes += len(f.data)
            # The buffer holds HEADERS and the CONTINUATIONs before this one.
            if len(self._headers_buffer) > self._limits.continuations:
                raise DenialOfServiceError("too many CONTINUATION frames")
            # An encoded list is no longer than the list it stands for: that counts 32 bytes more for each field.
            if self._block_bytes > self._limits.header_list_bytes:
                raise DenialOfServiceError("a header block is too long")
        return super()._update_header_buffer(f)


class FrameClock:
    """Ends the wait for a frame or header block that was begun."""

    __slots__ = ("_cut", "_limit_s", "_since", "_timer")

    def __init__(self, limit_s: float, cut: Callable[[], None]) -> None:
        """*cut* is called when something has stayed unfinished for *limit_s*."""
        self._limit_s = limit_s
        self._cut = cut
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def note(self, *, unfinished: bool, progress: bool) -> None:
        """Bytes came. *unfinished*: they end amid something; *progress*: something was finished by them.

        Bytes alone are no progress: a slow attacker sends one now and then.
        """
        if not unfinished:
            self._since = None
            return
        if self._since is None or progress:
            self._since = monotonic()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._look)

    def stop(self) -> None:
        """The connection is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        # One timer, looked at now and then, instead of one for each read of a long upload.
        self._timer = None
        if self._since is None:
            return
        left_s = self._since + self._limit_s - monotonic()
        if left_s > 0:
            self._timer = asyncio.get_running_loop().call_later(left_s, self._look)
        else:
            self._cut()
