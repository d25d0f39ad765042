"""Into how many shares the facts for one destination fall, by whom or what they are about. Each share keeps its own order."""

from typing import Final

SHARES: Final = 8
"""Lanes of a destination that is split. Rows carry their share, so this stays: what waits would change its lane.

Eight wait for each other so little that cores are full first, while a call takes 20 ms (`tests.bench.lanes`). More would make
every delivery smaller and looking dearer: a process looks at each lane once a second, and four times a second at one that
has work and is another's.
"""

EVERYBODY: Final = 0
"""The share of facts whose order matters to everybody: they come behind all older ones and before all later ones.

All other lanes wait for such a fact, so its lane takes what follows along, in the order of a whole destination.

Of processes of releases that know no shares, that is every fact.
"""

ALL: Final = range(SHARES + 1)


def share_of(about: bytes) -> int:
    """1 to `SHARES`. *about* is an id of 16 bytes; the last byte of a UUID is random."""
    return 1 + about[-1] % SHARES
