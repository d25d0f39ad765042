"""Pages of the lists of friendships."""

from collections.abc import Sequence

from firewalker.kernel.paging import Page
from firewalker.user.store.friendships import Row


def page_of(found: Sequence[Row], size: int) -> Page[Row]:
    """The first *size* of the rows found, of which one more was asked for: if it is there, so is another page."""
    rows = found[:size]
    return Page(rows, rows[-1].position.text if len(found) > size else None)
