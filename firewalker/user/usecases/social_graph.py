"""Who is who to whom, for the other services: read from MySQL at the moment of the question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from firewalker.kernel import visibility as kernel
from firewalker.kernel.ids import UserId
from firewalker.runtime.mysql import Database
from firewalker.user.domain.friendship import Friendship, Pair, Reach, State
from firewalker.user.domain.group import GroupId
from firewalker.user.domain.user import User, Visibility
from firewalker.user.store.friend_lists import CircleRow, FriendLists
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.memberships import Interval, Memberships
from firewalker.user.store.users import Users


@dataclass(frozen=True, slots=True)
class Bond:
    """What stands between a viewer and a subject. *asks*: the subject has asked the viewer, who sees it, and waits."""

    friends: bool = False
    blocked: bool = False
    asks: bool = False
    visibility: Visibility = Visibility.HIDDEN
    since: datetime | None = None


class SocialGraph:
    """The graph, for reading."""

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        friendships: Friendships,
        lists: FriendLists,
        memberships: Memberships,
    ) -> None:
        self._database = database
        self._users = users
        self._friendships = friendships
        self._lists = lists
        self._memberships = memberships

    async def circle(self, user: UserId) -> tuple[User, Sequence[CircleRow]]:
        """A user and all friends, in two queries however many.

        Raises:
            UserNotFound: There is no such user.
        """
        async with self._database.reading() as tx:
            return await self._users.get(tx, user), await self._lists.list_circle(tx, user)

    async def bonds(self, queries: Sequence[tuple[UserId, UserId]]) -> Sequence[Bond]:
        """What stands between each viewer and subject, in two queries however many pairs. Unknown users are strangers."""
        pairs = {query: Pair.of(*query) for query in queries if query[0] != query[1]}
        users = {user for query in queries for user in query}
        async with self._database.reading() as tx:
            between = await self._friendships.list_of(tx, set(pairs.values()))
            settings = await self._users.list_visibilities(tx, users)
        return [
            Bond(visibility=Visibility.FRIENDS)  # oneself
            if query not in pairs
            else _bond(*query, between.get(pairs[query]) or Friendship(pairs[query]), settings)
            for query in queries
        ]

    async def memberships(self, of: UserId | None, group: GroupId | None) -> Sequence[Interval]:
        """The memberships of a user, or those in a group, past ones included."""
        async with self._database.reading() as tx:
            return await self._memberships.list_intervals(tx, of, group)


def _bond(viewer: UserId, subject: UserId, between: Friendship, settings: Mapping[UserId, Visibility]) -> Bond:
    def shows(user: UserId) -> kernel.Visibility:
        shown = between.side(user).shows or settings.get(user, Visibility.FRIENDS)
        return kernel.Visibility[shown.name]

    friends = between.state is State.FRIENDS
    blocked = any(between.side(user).blocks_since is not None for user in (viewer, subject))
    seen = kernel.visible(viewer.bytes, subject.bytes, kernel.Bond(friends, shows(viewer), shows(subject), blocked))
    return Bond(
        friends=friends,
        blocked=blocked,
        asks=between.requested_by == subject and between.reach is Reach.SEEN,
        visibility=Visibility[seen.name],
        since=between.since if friends else None,
    )
