"""Who is who to whom, put together: profiles, friendships, blocks, invites, groups, and their doors. `app` puts it with the rest."""

from collections.abc import Sequence
from datetime import timedelta

from firewalker.kernel.clock import Clock
from firewalker.runtime.chores import Chore
from firewalker.runtime.mysql import Database, retried
from firewalker.runtime.page_tokens import PageTokens
from firewalker.runtime.repeats import forget_answers
from firewalker.user.links import Links
from firewalker.user.rpc.friends import FriendDoor
from firewalker.user.rpc.groups import GroupDoor
from firewalker.user.rpc.social_graph import SocialGraphDoor
from firewalker.user.store.friend_lists import FriendLists
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.group_doors import GroupDoors
from firewalker.user.store.groups import Groups as GroupStore
from firewalker.user.store.invites import Invites as InviteStore
from firewalker.user.store.limits import Limits
from firewalker.user.store.memberships import Memberships
from firewalker.user.store.users import Users
from firewalker.user.usecases.blocks import Blocks
from firewalker.user.usecases.friend_requests import FriendRequests
from firewalker.user.usecases.friends import Friends
from firewalker.user.usecases.group_rooms import GroupRooms
from firewalker.user.usecases.groups import Groups
from firewalker.user.usecases.invites import Invites
from firewalker.user.usecases.members import Members
from firewalker.user.usecases.pairs import Pairs
from firewalker.user.usecases.ports import Facts
from firewalker.user.usecases.profiles import Profiles
from firewalker.user.usecases.social_graph import SocialGraph


class SocialPart:
    """The social side of the user service."""

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        limits: Limits,
        facts: Facts,
        links: Links,
        page_tokens: PageTokens,
        clock: Clock,
    ) -> None:
        self._database = database
        self._clock = clock
        self.friendships = friendships = Friendships()
        lists, invites = FriendLists(), InviteStore()
        pairs = Pairs(friendships=friendships, limits=limits, users=users, facts=facts)
        self.requests = FriendRequests(
            database=database, pairs=pairs, lists=lists, users=users, invites=invites, clock=clock
        )
        self.friends = Friends(
            database=database,
            pairs=pairs,
            friendships=friendships,
            lists=lists,
            limits=limits,
            users=users,
            facts=facts,
            clock=clock,
        )
        self.blocks = Blocks(database=database, pairs=pairs, lists=lists, limits=limits, users=users, clock=clock)
        self.invites = Invites(database=database, invites=invites, limits=limits, clock=clock)
        self.profiles = Profiles(
            database=database, users=users, friendships=friendships, limits=limits, facts=facts, clock=clock
        )
        memberships = Memberships()
        graph = SocialGraph(
            database=database, users=users, friendships=friendships, lists=lists, memberships=memberships
        )
        self.social_graph = SocialGraphDoor(graph)
        """A door of the internal port."""
        self.rooms = rooms = GroupRooms(
            groups=GroupStore(),
            memberships=memberships,
            doors=GroupDoors(),
            limits=limits,
            users=users,
            facts=facts,
        )
        self.groups = Groups(database=database, rooms=rooms, clock=clock)
        self.members = Members(database=database, rooms=rooms, clock=clock)
        self.doors: Sequence[object] = (
            FriendDoor(
                requests=self.requests,
                friends=self.friends,
                blocks=self.blocks,
                invites=self.invites,
                links=links,
                page_tokens=page_tokens,
                clock=clock,
            ),
            GroupDoor(groups=self.groups, members=self.members, links=links, page_tokens=page_tokens, clock=clock),
        )
        """The doors of the public port."""
        self.chores: Sequence[Chore] = (Chore("forget answers", timedelta(hours=1), self._forget_answers),)

    @retried(idempotent=True)
    async def _forget_answers(self) -> int:
        async with self._database.transaction() as tx:
            return await forget_answers(tx, self._clock.now())
