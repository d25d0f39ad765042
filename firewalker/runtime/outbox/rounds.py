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
        self.late: list[tuple[Row, str]] = []
        """For which there was no answer in time, with none arriving since."""

    @property
    def hopeless(self) -> bool:
        """Whether the receiver seems to be the one that fails, whatever it is given."""
        return len(self.late) >= LATE_PROBES or (not self.arrived and len(self.doubtful) >= PROBES)


class Refused(Exception):
    """One of the facts was not taken; *doubtful*: or none would have been."""

    def __init__(self, by: str, *, doubtful: bool = False) -> None:
        super().__init__(by)
        self.by = by
        self.doubtful = doubtful


class TooLate(Exception):
    """There was no answer in time to a fact that was sent alone."""

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by
