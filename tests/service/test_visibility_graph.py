"""A random graph of users with blocks and settings, against an oracle: every way of reading shows what it says, no more.

The user service's own use cases make the graph; its events go through the outbox's bytes and the step service's parser into
the projections. FIREWALKER_TEST_GRAPH sets the number of users: 200 take a minute.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from itertools import permutations
from random import Random
from typing import Any

import pytest

from firewalker.gen.pb.firewalker.event.v1 import Event
from firewalker.kernel.ids import UserId
from firewalker.runtime.migrations import migrate
from firewalker.step.domain.facts import Fact
from firewalker.step.rpc.facts import read
from firewalker.step.store import bonds
from firewalker.user.domain.friendship import State
from firewalker.user.domain.group import GroupId, GroupWish
from firewalker.user.domain.user import Visibility, Wish
from firewalker.user.store.friend_lists import FriendLists
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.memberships import Memberships
from firewalker.user.store.users import Users
from firewalker.user.usecases.social_graph import SocialGraph
from tests.service.step.reading import Reader, ReadingProcess, Watch, all_ears, reading_process
from tests.service.user.rooms import Rooms, open_rooms
from tests.support.databases import Servers, fresh_database

USERS = int(os.environ.get("FIREWALKER_TEST_GRAPH", "14"))
WATCHERS = min(USERS, 50)
"""How many watch their boards; one address may open only so many connections."""

TODAY = datetime.now(UTC).date()
STRICTNESS = ("FRIENDS", "ROUNDED", "RANK_ONLY", "HIDDEN")


@dataclass
class Oracle:
    """Who sees what of whom, in sets and words, by number of user. Nothing of the product is used."""

    friends: set[frozenset[int]] = field(default_factory=set)
    blocks: set[tuple[int, int]] = field(default_factory=set)
    shows: dict[int, str] = field(default_factory=dict)
    overrides: dict[tuple[int, int], str] = field(default_factory=dict)

    def shown(self, by: int, to: int) -> str:
        return self.overrides.get((by, to)) or self.shows.get(by, "FRIENDS")

    def blocked(self, one: int, other: int) -> bool:
        return (one, other) in self.blocks or (other, one) in self.blocks

    def sees(self, viewer: int, subject: int) -> str:
        if viewer == subject:
            return "FRIENDS"
        if frozenset((viewer, subject)) not in self.friends or self.blocked(viewer, subject):
            return "HIDDEN"
        return max(self.shown(viewer, subject), self.shown(subject, viewer), key=STRICTNESS.index)

    def board(self, viewer: int, steps: dict[int, int]) -> dict[int, tuple[int, int]]:
        """Rank and steps by user."""
        people = [viewer, *(user for pair in self.friends if viewer in pair for user in pair - {viewer})]
        ranked = [user for user in people if self.sees(viewer, user) != "HIDDEN"]
        rows = {}
        for user in people:
            what = self.sees(viewer, user)
            rank = 0 if what == "HIDDEN" else 1 + sum(steps[other] > steps[user] for other in ranked)
            seen = {"FRIENDS": steps[user], "ROUNDED": steps[user] // 500 * 500, "RANK_ONLY": 0, "HIDDEN": 0}[what]
            rows[user] = (rank, seen)
        return rows


class Town:
    """The users in both services, and the oracle's copy of what they did."""

    def __init__(self, rooms: Rooms, process: ReadingProcess, users: Sequence[UserId], group: GroupId) -> None:
        self.rooms, self.process, self.users, self.group = rooms, process, users, group
        self.numbers = {str(user): number for number, user in enumerate(users)}
        self.oracle = Oracle()
        self.steps = {number: 300 * number + 77 for number in range(len(users))}
        self._delivered = 0

    async def change(self, random: Random) -> None:
        """Somebody does something, and the oracle writes it down."""
        one, other = random.sample(range(len(self.users)), 2)
        me, them = self.users[one], self.users[other]
        pair, oracle, social = frozenset((one, other)), self.oracle, self.rooms.social
        level = random.choice(STRICTNESS)
        what = random.choices(
            ["befriend", "remove", "block", "unblock", "show", "show one"], weights=[10, 1, 1, 1, 1, 3]
        )[0]
        if what == "befriend":
            if not oracle.blocked(one, other):
                await social.requests.send(me, them)
                await social.requests.accept(them, me)
                oracle.friends.add(pair)
        elif what == "show":
            await social.profiles.update(me, Wish(visibility=Visibility[level]))
            oracle.shows[one] = level
        elif what == "show one":
            if pair in oracle.friends:
                await social.friends.show(me, them, Visibility[level])
                oracle.overrides[one, other] = level
        elif what == "unblock":
            await social.blocks.unblock(me, them)
            oracle.blocks.discard((one, other))
        else:
            await (social.friends.remove if what == "remove" else social.blocks.block)(me, them)
            oracle.friends.discard(pair)
            oracle.overrides = {key: shown for key, shown in oracle.overrides.items() if set(key) != pair}
            if what == "block":
                oracle.blocks.add((one, other))

    async def deliver(self, random: Random) -> None:
        """Bring the events to the step service: in their order, in batches of any size."""
        async with self.rooms.database.reading() as tx:
            rows = await tx.all(
                "SELECT position, payload FROM outbox WHERE destination = 'step' AND position > %s ORDER BY position",
                (self._delivered,),
            )
        facts: list[Fact] = [fact for _, payload in rows if (fact := read(Event.parse(payload))) is not None]
        self._delivered = rows[-1][0] if rows else self._delivered
        while facts:
            size = random.randrange(1, 60)
            await self.process.part.projections.take(facts[:size])
            facts = facts[size:]

    def expected(self, viewer: int) -> dict[str, tuple[int, int]]:
        """The board that the viewer should see."""
        board = self.oracle.board(viewer, self.steps)
        return {str(self.users[user]): row for user, row in board.items()}


@pytest.fixture
async def town(servers: Servers, mysql_url: str, redis_url: str) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        step_url = await stack.enter_async_context(fresh_database(servers))
        await migrate(step_url, files("firewalker.step.store") / "schema")
        rooms = await stack.enter_async_context(open_rooms(mysql_url, redis_url))
        process = await stack.enter_async_context(reading_process(step_url, redis_url))
        await all_ears(process)
        users = await rooms.newcomers(USERS)
        group = (await rooms.social.groups.create(users[0], GroupWish(name="all", max_members=200))).group.group_id
        for user in users[1:]:
            await rooms.social.members.join(user, group, None)
        town = Town(rooms, process, users, group)
        for number, steps in town.steps.items():
            await process.walk(users[number], steps, TODAY)
        yield town


@pytest.mark.requirement("PRIV-01", "PRIV-02")
@pytest.mark.parametrize("seed", [1])
async def test_every_way_of_reading_shows_what_the_oracle_says(town: Town, seed: int) -> None:
    random = Random(seed)
    for _ in range(USERS * 12):
        await town.change(random)
    await town.deliver(random)
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(Reader(town.process, user)) for user in town.users[:WATCHERS]]
        watches = [reader.watch() for reader in readers]
        for watch in watches:
            await watch.next()
        await boards_agree(town)
        await watches_agree(town, watches)
        for _ in range(USERS * 4):
            await town.change(random)
        await town.deliver(random)
        await watches_agree(town, watches)
        await boards_agree(town)
        for watch in watches:
            watch.cancel()
    await bonds_agree(town)
    await lists_agree(town)


def rows(entries: Any) -> dict[str, tuple[int, int]]:
    return {entry.user_id: (entry.rank, entry.steps) for entry in entries}


async def boards_agree(town: Town) -> None:
    for viewer, user in enumerate(town.users):
        async with Reader(town.process, user) as reader:
            assert rows((await reader.board()).entries) == town.expected(viewer)


async def watches_agree(town: Town, watches: Sequence[Watch]) -> None:
    for viewer, watch in enumerate(watches):
        expected = town.expected(viewer)
        async with asyncio.timeout(60):
            while rows(watch.entries.values()) != expected:
                assert await watch.next() is not None
        for entry in watch.entries.values():
            hidden = town.oracle.sees(viewer, town.numbers[entry.user_id]) == "HIDDEN"
            assert (type(entry).State.Name(entry.state) == "HIDDEN") is hidden


async def bonds_agree(town: Town) -> None:
    """CheckBonds and GetCircle of the user service, and the step service's bonds, for friends and others."""
    graph = SocialGraph(
        database=town.rooms.database,
        users=Users(),
        friendships=Friendships(),
        lists=FriendLists(),
        memberships=Memberships(),
    )
    pairs = list(permutations(range(USERS), 2))
    for start in range(0, len(pairs), 500):
        some = pairs[start : start + 500]
        found = await graph.bonds([(town.users[viewer], town.users[subject]) for viewer, subject in some])
        for (viewer, subject), bond in zip(some, found, strict=True):
            assert bond.visibility.name == town.oracle.sees(viewer, subject)
            assert bond.friends is (frozenset((viewer, subject)) in town.oracle.friends)
            assert bond.blocked is town.oracle.blocked(viewer, subject)
    for viewer, user in enumerate(town.users):
        me, circle = await graph.circle(user)
        told = {town.numbers[str(row.card.user_id)]: (row.shows or row.shows_everybody).name for row in circle}
        shown = {town.numbers[str(row.card.user_id)]: (row.is_shown or me.visibility).name for row in circle}
        friends = {friend for pair in town.oracle.friends if viewer in pair for friend in pair - {viewer}}
        assert told == {friend: town.oracle.shown(friend, viewer) for friend in friends}
        assert shown == {friend: town.oracle.shown(viewer, friend) for friend in friends}
        async with town.process.database.reading() as tx:
            by_subject = await bonds.list_bonds(tx, user, list(town.users))
        for subject, other in enumerate(town.users):
            if other == user:
                continue
            known = by_subject[other.bytes]
            assert known.blocked is town.oracle.blocked(viewer, subject)
            assert known.viewer_shows.name == town.oracle.shown(viewer, subject)
            assert known.subject_shows.name == town.oracle.shown(subject, viewer)


async def lists_agree(town: Town) -> None:
    """ListFriends, GetUser, SearchUsers, ListMembers."""
    social, oracle = town.rooms.social, town.oracle
    for viewer, user in enumerate(town.users):
        friends = {friend for pair in oracle.friends if viewer in pair for friend in pair - {viewer}}
        listed = (await social.friends.list(user, 200, None)).rows
        assert {town.numbers[str(row.card.user_id)] for row in listed} == friends
        visible = {other for other in range(USERS) if not oracle.blocked(viewer, other)}
        found = (await social.profiles.search(user, "w", 200, None)).rows
        assert {town.numbers[str(row.card.user_id)] for row in found} == visible - {viewer}
        members = (await social.members.list(user, town.group, 200, None)).rows
        everybody = set(range(USERS)) if viewer == 0 else visible  # the owner answers for all of them
        assert {town.numbers[str(row.card.user_id)] for row in members} == everybody
        for other in range(USERS):
            card, state = await social.profiles.card(user, town.users[other])
            assert card.user_id == town.users[other]
            assert (state is State.FRIENDS) is (other in friends)
