"""Who gets the places for messages: the first lane always finds some, and the last a fifth of what there is (DLV-11)."""

URGENT_PLACES = 4
"""Messages under way that only the first lane may add, where there are more places than that."""

_LAST_SHARE = 5


def ordinary_of(room: int, *, free: int, most: int) -> int:
    """How many of *room* messages, which the pace allows now, any lane may begin when *free* of *most* places are.

    What is kept for the first lane are places, not messages of the pace: a low pace would be kept whole.
    """
    return max(0, min(room, free - min(URGENT_PLACES, most - 1)))


class LastShare:
    """The last lane's part: a fifth of the places also where they become free one by one."""

    def __init__(self) -> None:
        self._rest = 0

    def of(self, room: int) -> int:
        """The part of *room* places; what is over counts the next time."""
        share, self._rest = divmod(self._rest + room, _LAST_SHARE)
        return share
