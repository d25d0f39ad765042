"""Users who are deleted and not erased yet: rows about them are still there, and are to be to others as if they were not."""

from collections.abc import Iterator
from contextlib import contextmanager

from firewalker.kernel.faults import Fault
from firewalker.user.domain.faults import UserNotFound


@contextmanager
def missing_as(fault: type[Fault]) -> Iterator[None]:
    """Run the block. Where it misses a user, who has to be deleted, *fault* is raised: what an id of nobody's gives."""
    try:
        yield
    except UserNotFound:
        raise fault from None
