"""What is left of steps for somebody who does not see all of them. Who sees how much, `kernel/visibility` decides."""

from firewalker.kernel.visibility import Bond, Visibility, visible

__all__ = ["BEFRIENDED", "ROUNDED_TO", "Bond", "Visibility", "steps_seen", "visible"]

ROUNDED_TO = 500
"""What ROUNDED counts are rounded down to (contract)."""

BEFRIENDED = Bond(friends=True)
"""Two friends, neither of whom has set anything."""


def steps_seen(steps: int, visibility: Visibility) -> int:
    """What is left of *steps* for somebody with that visibility."""
    if visibility is Visibility.FRIENDS:
        return steps
    return steps - steps % ROUNDED_TO if visibility is Visibility.ROUNDED else 0
