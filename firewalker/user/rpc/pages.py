"""Page tokens of list methods: bound to the method, the caller and what was asked for."""

from typing import Protocol

from firewalker.kernel.paging import page_size
from firewalker.kernel.principal import principal
from firewalker.runtime.page_tokens import PageTokens


class Paged(Protocol):
    """A request for a page."""

    @property
    def page_size(self) -> int:
        """As asked for; 0 for the default."""

    @property
    def page_token(self) -> str:
        """From the previous answer."""


class Turn:
    """One request for a page: how much, from where, and the token of the next."""

    def __init__(self, tokens: PageTokens, method: str, message: Paged, *about: object) -> None:
        """*about* is whatever else the list depends on.

        Raises:
            InvalidRequest, PageTokenInvalid: Size or token are wrong.
        """
        self._tokens = tokens
        self._query = " ".join(map(str, (method, principal().user_id, *about)))
        self.size = page_size(message.page_size)
        self.cursor = tokens.open(self._query, message.page_token)

    def next_token(self, cursor: str | None) -> str:
        """The token of the page behind *cursor*; empty for none."""
        return "" if cursor is None else self._tokens.seal(self._query, cursor)
