"""Messages that have begun and are not whole: how much of them all connections of a port may hold together.

One connection may have a hundred, a port thousands of connections, and each byte of them is memory. Where it is too much,
those that have been unfinished for longest make way: what comes at a reasonable pace is whole long before it is the oldest.
"""

from typing import Protocol


class Holder(Protocol):
    """What holds a part of one message; an `Inbox`."""

    def make_way(self) -> None:
        """Let go of it, and tell with `hold` that nothing is held any more."""


class Partials:
    """The parts held on one port."""

    __slots__ = ("_held", "_limit", "total")

    def __init__(self, limit: int) -> None:
        """*limit* in bytes, for all together."""
        self._limit = limit
        # In the order in which the messages began.
        self._held: dict[Holder, int] = {}
        self.total = 0
        """Bytes held now."""

    def hold(self, holder: Holder, size: int, *, anew: bool = False) -> None:
        """*holder* has *size* bytes of a message now, 0 for none; *anew*: of another one than before."""
        before = self._held.pop(holder, 0) if anew or not size else self._held.get(holder, 0)
        if size:
            self._held[holder] = size
        self.total += size - before
        while self.total > self._limit:
            next(iter(self._held)).make_way()
