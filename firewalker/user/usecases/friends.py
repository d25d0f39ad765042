"""Friends."""

from firewalker.kernel.ids import UserId
from firewalker.kernel.paging import Page
from firewalker.runtime.mysql import Database
from firewalker.user.store.friendships import OLDEST, Friendships, Position, Row
from firewalker.user.usecases.pages import page_of


class Friends:
    """A user's friends."""

    def __init__(self, *, database: Database, friendships: Friendships) -> None:
        self._database = database
        self._friendships = friendships

    async def list(self, caller: UserId, size: int, cursor: str | None) -> Page[Row]:
        """The caller's friends, the longest friendship first."""
        behind = OLDEST if cursor is None else Position.parse(cursor)
        async with self._database.reading() as reading:
            found = await self._friendships.list_friends(reading, caller, behind, size + 1)
        return page_of(found, size)
