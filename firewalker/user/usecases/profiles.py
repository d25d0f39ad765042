"""Users' own profiles."""

from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database
from firewalker.user.domain.user import User
from firewalker.user.store.users import Users


class Profiles:
    """Profiles, as far as their owners may act on them."""

    def __init__(self, *, database: Database, users: Users) -> None:
        self._database = database
        self._users = users

    async def me(self, caller: UserId) -> User:
        """The caller's own profile.

        Raises:
            UserNotFound: The account is gone, though its access token is still good.
        """
        async with self._database.reading() as reading:
            return await self._users.get(reading, caller)
