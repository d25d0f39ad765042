"""Pages of a list: how many, and from where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from firewalker.kernel.faults import InvalidRequest, Violation

DEFAULT_PAGE_SIZE = 50
"""Rows of a page when the caller does not say (contract)."""

MAX_PAGE_SIZE = 200
"""Most rows of a page (contract)."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the cursor behind the last of them; no cursor on the last page."""

    rows: Sequence[T]
    next_cursor: str | None


def page_size(asked: int) -> int:
    """The page size to use for the *asked* one: 0 means the default.

    Raises:
        InvalidRequest: Negative, or over 200.
    """
    if not 0 <= asked <= MAX_PAGE_SIZE:
        raise InvalidRequest(violations=[Violation("page_size", f"must be between 1 and {MAX_PAGE_SIZE}")])
    return asked or DEFAULT_PAGE_SIZE
