"""Whose fault it is when a receiver fails without refusing: the fact's, if others arrive, else the receiver's own."""

from collections import OrderedDict
from typing import NamedTuple

MAX_WAIT_S = 60.0
"""Longest time that a fact is put off which is not to blame."""

MOST_REMEMBERED = 1_000
"""Facts remembered in one lane. One that was forgotten is in doubt for the first time again."""


class _Doubt(NamedTuple):
    arrivals: int
    times: int


class Doubts:
    """The facts of a lane over which the receiver has failed, since this process began."""

    def __init__(self) -> None:
        self._arrivals = 0
        self._doubts: OrderedDict[int, _Doubt] = OrderedDict()

    def arrived(self) -> None:
        """A delivery went through."""
        self._arrivals += 1

    def note(self, position: int, *, others_arrived: bool) -> float | None:
        """The receiver failed over the fact at *position*, while others of the same round arrived or did not.

        How many seconds to put it off without blame: 2, 4, 8 … 60. None: others have arrived since the last time.
        """
        before = self._doubts.pop(position, None)
        times = 1 if before is None else before.times + 1
        self._doubts[position] = _Doubt(self._arrivals, times)
        if len(self._doubts) > MOST_REMEMBERED:
            self._doubts.popitem(last=False)
        if others_arrived or (before is not None and before.arrivals < self._arrivals):
            return None
        return min(MAX_WAIT_S, 2.0 ** min(times, 10))
