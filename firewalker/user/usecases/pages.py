"""Pages of lists."""

from collections.abc import Sequence
from typing import TypeVar

from firewalker.kernel.paging import Page
from firewalker.user.store.positions import Placed

R = TypeVar("R", bound=Placed)


def page_of(found: Sequence[R], size: int) -> Page[R]:
    """The first *size* of the rows found, of which one more was asked for: if it is there, so is another page."""
    rows = found[:size]
    return Page(rows, rows[-1].cursor if len(found) > size else None)
