"""What becomes of facts that are tried one by one: how many arrive, and over which of the others there is a doubt."""

from firewalker.runtime.outbox.lane import Row

PROBES = 20
"""So many facts are tried one by one, with none arriving, until the destination is taken to be the one that fails."""

LATE_PROBES = 5
"""So many in a row may come too late: those cost 5 s each."""


class Round:
    """One round of them."""

    def __init__(self) -> None:
        self.arrived = 0
        self.doubtful: list[tuple[Row, str]] = []
        """Over which the receiver failed, and how."""
        self.late: list[tuple[Row, str, int]] = []
        """For which there was no answer in time, which one it was, and how many had arrived before."""

    @property
    def hopeless(self) -> bool:
        """Whether the receiver seems to be the one that fails, whatever it is given."""
        in_a_row = sum(before == self.arrived for _, _, before in self.late)
        return in_a_row >= LATE_PROBES or (not self.arrived and len(self.doubtful) >= PROBES)
