"""What a client has sent on one stream: DATA frames cut into messages, within bounds, with flow control.

The length in front of a message is judged before its bytes are kept (hazard M1), so that memory held for a stream is at
most one message and one window. No decoding here.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from firewalker.kernel.faults import Fault, MalformedMessage, MessageTooLarge, Overloaded, StreamIdle
from firewalker.runtime.grpc.compression import Packed, inflate
from firewalker.runtime.grpc.partials import Partials

PREFIX_BYTES = 5
"""A flag and a length stand before each message."""

_CREDIT_BYTES = 16_384
"""Consumed bytes are given back to the sender in steps of this size; a quarter of a stream's window."""

_COME_BACK = timedelta(seconds=1)
"""When a client may send again what had to make way."""


class Inbox:
    """The messages of one stream, oldest first. One reader."""

    __slots__ = (
        "_credit",
        "_give_back",
        "_held",
        "_limit",
        "_messages",
        "_packable",
        "_partial",
        "_together",
        "_waiter",
        "ended",
        "fault",
        "unpacked",
    )

    def __init__(
        self,
        limit: int,
        give_back: Callable[[int], None],
        *,
        packable: bool = False,
        partials: Partials | None = None,
    ) -> None:
        """*limit* is the largest message in bytes, as it comes and inflated; *give_back* reopens the sender's window by
        so many bytes. *packable* says that the client has announced gzip, so that messages may be flagged as compressed.
        *partials* bounds what all unfinished messages hold together.
        """
        self.ended = False
        """Whether the client has half-closed: nothing more comes."""
        self.fault: Fault | None = None
        """Why nothing more is taken."""
        self.unpacked = 0
        """How many messages came compressed."""
        self._packable = packable
        self._limit = limit
        self._give_back = give_back
        self._messages: deque[bytes] = deque()
        self._partial = bytearray()
        self._together = partials
        self._held = 0
        self._credit = 0
        self._waiter: asyncio.Future[None] | None = None

    def add(self, data: bytes, size: int) -> bool:
        """Take the content of a DATA frame that used *size* bytes of the window; returns whether it made a message whole."""
        if self.fault is not None:
            self._give(size)
            return False
        waiting = len(self._messages)
        whole = len(data) - PREFIX_BYTES
        if (
            not self._partial
            and whole >= 0
            and not data[0]
            and int.from_bytes(data[1:5], "big") == whole <= self._limit
        ):
            self._messages.append(data[PREFIX_BYTES:])
            self._held += size
        else:
            self._cut(data, size)
        self._wake()
        return len(self._messages) > waiting

    def end(self) -> None:
        """The client has half-closed."""
        self.ended = True
        if self._partial and self.fault is None:
            self.fault = MalformedMessage()
            self._let_go()
        self._wake()

    def __len__(self) -> int:
        """How many whole messages wait."""
        return len(self._messages)

    def take(self) -> bytes | None:
        """The next message if it is there already.

        Raises the fault that ended the stream once all messages before it are taken; a compressed message that inflates
        to too much, or to nothing that can be read, ends it here.
        """
        if not self._messages:
            if self.fault is not None:
                raise self.fault
            return None
        message = self._messages.popleft()
        freed = min(self._held, len(message) + PREFIX_BYTES) if self._messages else self._held
        self._held -= freed
        self._credit += freed
        if self._credit >= _CREDIT_BYTES:
            self._give(self._credit)
            self._credit = 0
        return self._unpack(message) if type(message) is Packed else message

    async def wait(self, idle_s: float | None) -> None:
        """Return when `take` may have something new, or the stream has ended.

        Raises:
            StreamIdle: Nothing came for *idle_s* seconds.
        """
        if self._messages or self.ended or self.fault is not None:
            return
        if self._waiter is not None:
            raise RuntimeError("a stream has one reader")
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = None if idle_s is None else loop.call_later(idle_s, _give_up, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def leftover(self) -> int:
        """Bytes of the window not given back yet; the stream is over and nobody will take them."""
        left, self._held, self._credit = self._held + self._credit, 0, 0
        self._messages.clear()
        self._let_go()
        # It leads back to the call: a circle would leave every call to the garbage collector.
        self._give_back = _to_nobody
        return left

    def make_way(self) -> None:
        """Give up an unfinished message: there are too many of them, and this one is the oldest."""
        self.fault = Overloaded(retry_after=_COME_BACK)
        self._let_go()
        self._wake()

    def _let_go(self) -> None:
        if self._partial:
            # A new one: only that frees the memory.
            self._partial = bytearray()
            if self._together is not None:
                self._together.hold(self, 0)

    def _cut(self, data: bytes, size: int) -> None:
        self._partial += data
        position = 0
        while self.fault is None and len(self._partial) - position >= PREFIX_BYTES:
            length = int.from_bytes(self._partial[position + 1 : position + PREFIX_BYTES], "big")
            flag = self._partial[position]
            if flag and not (flag == 1 and self._packable):
                self.fault = MalformedMessage()
            elif length > self._limit:
                self.fault = MessageTooLarge()
            elif len(self._partial) - position - PREFIX_BYTES < length:
                break
            else:
                start = position + PREFIX_BYTES
                position = start + length
                kept = self._partial[start:position]
                self._messages.append(Packed(kept) if flag else bytes(kept))
        if self.fault is not None:
            self._let_go()
            self._give(size)
            return
        del self._partial[:position]
        # What belongs to an unfinished message goes back at once: the message may be larger than the window.
        unfinished = min(size, len(self._partial))
        self._held += size - unfinished
        self._give(unfinished)
        if self._together is not None:
            self._together.hold(self, len(self._partial), anew=position > 0)

    def _unpack(self, message: Packed) -> bytes:
        self.unpacked += 1
        try:
            return inflate(message, self._limit)
        except Fault as fault:
            self.fault = fault
            self._messages.clear()
            raise

    def _give(self, size: int) -> None:
        if size:
            self._give_back(size)

    def _wake(self) -> None:
        # Not for parts of a message: who waits counts the time until it is whole.
        whole = self._messages or self.ended or self.fault is not None
        if whole and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _to_nobody(size: int) -> None:
    """The stream is over: its window is the connection's business."""


def _give_up(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(StreamIdle())
