"""Groups through the real wire: who may come in, who may do what, and what the step service counts by."""

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.mysql import Database
from firewalker.user.domain.faults import GroupFull
from firewalker.user.domain.group import GroupWish
from tests.service.user.conftest import Person, World
from tests.service.user.rooms import open_rooms
from tests.service.user.test_friends import refused
from tests.support.waiting import until

OPEN, CODE, REQUEST = 1, 2, 3
OWNER, ADMIN, MEMBER = 1, 2, 3
JOINED, REQUESTED = 1, 2
GONE = ("NOT_FOUND", "GROUP_NOT_FOUND")
OUTSIDE = ("PERMISSION_DENIED", "NOT_A_MEMBER")
ROLE = ("PERMISSION_DENIED", "GROUP_ROLE_REQUIRED")
JOINERS = int(os.environ.get("FIREWALKER_TEST_JOINERS", "200"))
"""How many try to join a group at once; 1 000 take some seconds."""


@dataclass
class Party:
    """A group with an owner, an administrator and a member, and a stranger beside it."""

    world: World
    group_id: str
    owner: Person
    admin: Person
    member: Person
    stranger: Person

    async def call(self, rpc: str, caller: Person, **fields: Any) -> Any:
        return await self.world.call(rpc, caller.access, group_id=self.group_id, **fields)

    async def refused(self, rpc: str, caller: Person, **fields: Any) -> tuple[str, str]:
        return await refused(self.world, rpc, caller, group_id=self.group_id, **fields)

    async def members(self, caller: Person | None = None) -> dict[str, int]:
        answer = await self.call("ListMembers", caller or self.owner)
        return {member.nickname: member.role for member in answer.members}


@pytest.fixture
async def party(world: World) -> Party:
    owner, admin, member, stranger = [await world.sign_up(name) for name in ("Owner", "Admin", "Member", "Stranger")]
    group = (await world.call("CreateGroup", owner.access, name="Han River", description="early birds")).group
    party = Party(world, group.group_id, owner, admin, member, stranger)
    for joiner in (admin, member):
        world.clock.advance(1)
        assert (await party.call("JoinGroup", joiner)).state == JOINED
    await party.call("SetMemberRole", owner, user_id=admin.user_id, role=ADMIN)
    return party


async def test_a_group_is_made_shown_and_listed(world: World) -> None:
    anna = await world.sign_up("Anna")
    group = (await world.call("CreateGroup", anna.access, name="  한강 ", max_members=10, join_policy=REQUEST)).group
    assert (group.name, group.owner_id, group.member_count, group.max_members) == ("한강", anna.user_id, 1, 10)
    assert (group.join_policy, group.role) == (REQUEST, OWNER)
    assert (await world.call("GetGroup", anna.access, group_id=group.group_id)).group == group
    for name in ("b", "c"):
        world.clock.advance(1)
        await world.call("CreateGroup", anna.access, name=name)
    names: list[str] = []
    token = ""
    while True:
        page = await world.call("ListMyGroups", anna.access, page_size=2, page_token=token)
        names += [listed.name for listed in page.groups]
        token = page.next_page_token
        if not token:
            break
    assert names == ["한강", "b", "c"]
    refusal = await world.refusal(
        "CreateGroup", anna.access, name=" ", description="\x07", max_members=201, join_policy=9
    )
    assert refusal.fields == ["description", "join_policy", "max_members", "name"]


async def test_a_group_changes_by_mask(party: Party) -> None:
    changed = (await party.call("UpdateGroup", party.admin, group={"name": "Han", "max_members": 3})).group
    assert (changed.name, changed.max_members, changed.description) == ("Han", 3, "early birds")
    cleared = await party.call("UpdateGroup", party.owner, group={}, update_mask={"paths": ["description"]})
    assert (cleared.group.name, cleared.group.description) == ("Han", "")
    small = await party.refused("UpdateGroup", party.owner, group={"max_members": 2})
    assert small == ("FAILED_PRECONDITION", "GROUP_HAS_MORE_MEMBERS")
    assert await party.refused("JoinGroup", party.stranger) == ("FAILED_PRECONDITION", "GROUP_FULL")
    refusal = await party.world.refusal(
        "UpdateGroup", party.owner.access, group_id=party.group_id, group={}, update_mask={"paths": ["owner_id"]}
    )
    assert refusal.fields == ["update_mask"]
    await until(lambda: len(party.world.step.of("group_changed")) == 2)
    assert [fact.name for fact in party.world.step.of("group_changed")] == ["Han River", "Han"]


@pytest.mark.requirement("AUTH-08")
@pytest.mark.parametrize(
    ("rpc", "fields", "allowed"),
    [
        ("GetGroup", {}, "stranger member admin owner"),
        ("UpdateGroup", {"group": {"name": "x"}}, "admin owner"),
        ("ListMembers", {}, "member admin owner"),
        ("RemoveMember", {"user_id": "member"}, "admin owner"),
        ("RemoveMember", {"user_id": "admin"}, "owner"),
        ("RemoveMember", {"user_id": "owner"}, ""),
        ("BanMember", {"user_id": "member"}, "admin owner"),
        ("BanMember", {"user_id": "admin"}, "owner"),
        ("UnbanMember", {"user_id": "member"}, "admin owner"),
        ("SetMemberRole", {"user_id": "member", "role": ADMIN}, "owner"),
        ("ListJoinRequests", {}, "admin owner"),
        ("CreateGroupInvite", {}, "member admin owner"),
        ("DeleteGroup", {}, "owner"),
    ],
)
async def test_who_may_do_what(party: Party, rpc: str, fields: dict[str, Any], allowed: str) -> None:
    if "user_id" in fields:
        fields = {**fields, "user_id": getattr(party, fields["user_id"]).user_id}
    refusal = await party.world.refusal(rpc, group_id=party.group_id, **fields)
    assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "ACCESS_TOKEN_INVALID")
    for who in ("stranger", "member", "admin", "owner"):
        caller = getattr(party, who)
        if who not in allowed.split():
            assert await party.refused(rpc, caller, **fields) == (OUTSIDE if who == "stranger" else ROLE)
    for who in allowed.split()[:1]:
        await party.call(rpc, getattr(party, who), **fields)


async def test_a_group_by_code_is_not_there_for_others(party: Party) -> None:
    code = (await party.call("CreateGroupInvite", party.member)).invite.code
    await party.call("UpdateGroup", party.owner, group={"join_policy": CODE})
    for rpc, fields in (
        ("GetGroup", {}),
        ("JoinGroup", {}),
        ("ListMembers", {}),
        ("LeaveGroup", {}),
        ("DeleteGroup", {}),
        ("BanMember", {"user_id": party.member.user_id}),
    ):
        assert await party.refused(rpc, party.stranger, **fields) == GONE
    assert await party.refused("CreateGroupInvite", party.member) == ROLE
    world = party.world
    missing = ("NOT_FOUND", "INVITE_NOT_FOUND")
    assert await refused(world, "JoinGroup", party.stranger, code="A" * 16) == missing
    assert await refused(world, "JoinGroup", party.stranger, code=code, group_id=str(new_uuid7())) == missing
    joined = await world.call("JoinGroup", party.stranger.access, code=code)
    assert (joined.state, joined.group.role, joined.group.member_count) == (JOINED, MEMBER, 4)
    world.clock.advance(timedelta(days=7))
    late = await world.sign_up("Late")
    assert await refused(world, "JoinGroup", late, code=code) == missing
    for wrong in ({}, {"group_id": "x"}, {"code": "x"}):
        assert (await refused(world, "JoinGroup", late, **wrong))[1] == "INVALID_REQUEST"


async def test_who_asks_is_let_in_or_not(party: Party) -> None:
    world = party.world
    await party.call("UpdateGroup", party.owner, group={"join_policy": REQUEST})
    other = await world.sign_up("Other")
    for asker in (party.stranger, other, other):
        world.clock.advance(1)
        assert (await party.call("JoinGroup", asker)).state == REQUESTED
    waiting = (await party.call("ListJoinRequests", party.admin)).join_requests
    assert [request.nickname for request in waiting] == ["Stranger", "Other"]
    await party.call("AnswerJoinRequest", party.admin, user_id=party.stranger.user_id, accept=True)
    await party.call("AnswerJoinRequest", party.owner, user_id=other.user_id)
    gone = ("NOT_FOUND", "JOIN_REQUEST_NOT_FOUND")
    assert await party.refused("AnswerJoinRequest", party.owner, user_id=other.user_id) == gone
    assert await party.refused("AnswerJoinRequest", party.member, user_id=other.user_id) == ROLE
    assert await party.members() == {"Owner": OWNER, "Admin": ADMIN, "Member": MEMBER, "Stranger": MEMBER}
    await party.call("JoinGroup", other)
    await party.call("LeaveGroup", other)  # takes the request back
    assert (await party.call("ListJoinRequests", party.owner)).join_requests == []
    assert await party.refused("LeaveGroup", other) == OUTSIDE
    await until(lambda: len(world.notification.of("group_join_requested")) == 3)
    asked = world.notification.of("group_join_requested")[0]
    assert (asked.requester.nickname, asked.group_name) == ("Stranger", "Han River")
    assert set(asked.told_user_ids) == {party.owner.user_id, party.admin.user_id}
    await party.call("JoinGroup", other)
    await party.call("DeleteGroup", party.owner)
    await until(lambda: world.notification.of("group_deleted"), 60)
    closed = world.notification.of("group_join_request_closed")
    names = {party.stranger.user_id: "Stranger", other.user_id: "Other"}
    assert [(names[fact.requester_id], fact.accepted) for fact in closed] == [
        ("Stranger", True), ("Other", False), ("Other", False), ("Other", False),
    ]  # fmt: skip
    assert all(set(fact.told_user_ids) == {party.owner.user_id, party.admin.user_id} for fact in closed)
    joined = {fact.member.nickname: list(fact.told_user_ids) for fact in world.step.of("group_member_joined")}
    owner, stranger = party.owner.user_id, party.stranger.user_id
    assert joined == {"Owner": [], "Admin": [owner], "Member": [owner], "Stranger": [stranger]}


async def test_an_owner_hands_over_before_leaving(party: Party) -> None:
    must = ("FAILED_PRECONDITION", "OWNER_MUST_TRANSFER")
    assert await party.refused("LeaveGroup", party.owner) == must
    assert await party.refused("SetMemberRole", party.owner, user_id=party.owner.user_id, role=MEMBER) == must
    stranger = await party.refused("SetMemberRole", party.owner, user_id=party.stranger.user_id, role=OWNER)
    assert stranger == ("NOT_FOUND", "MEMBER_NOT_FOUND")
    member = (await party.call("SetMemberRole", party.owner, user_id=party.member.user_id, role=OWNER)).member
    assert (member.nickname, member.role) == ("Member", OWNER)
    assert await party.members() == {"Owner": ADMIN, "Admin": ADMIN, "Member": OWNER}
    assert (await party.call("GetGroup", party.stranger)).group.owner_id == party.member.user_id
    assert await party.refused("SetMemberRole", party.owner, user_id=party.owner.user_id, role=OWNER) == ROLE
    await party.call("LeaveGroup", party.owner)
    await party.call("LeaveGroup", party.admin)
    await party.call("LeaveGroup", party.member)  # the last one
    assert await party.refused("GetGroup", party.member) == GONE
    await until(lambda: party.world.step.of("group_deleted"))
    left = {fact.user_id for fact in party.world.step.of("group_member_left")}
    assert left == {party.owner.user_id, party.admin.user_id}


async def test_who_is_banned_cannot_come_back(party: Party) -> None:
    code = (await party.call("CreateGroupInvite", party.owner)).invite.code
    for _ in range(2):
        await party.call("BanMember", party.admin, user_id=party.member.user_id)
    banned = ("PERMISSION_DENIED", "BANNED_FROM_GROUP")
    assert await party.refused("JoinGroup", party.member) == banned
    assert await refused(party.world, "JoinGroup", party.member, code=code) == banned
    assert await party.refused("BanMember", party.owner, user_id=str(new_uuid7())) == ("NOT_FOUND", "USER_NOT_FOUND")
    await party.call("BanMember", party.owner, user_id=party.stranger.user_id)
    assert await party.refused("JoinGroup", party.stranger) == banned
    await party.call("UnbanMember", party.owner, user_id=party.member.user_id)
    assert (await party.call("JoinGroup", party.member)).state == JOINED
    assert len(await party.members()) == 3


async def test_memberships_are_intervals(party: Party) -> None:
    world = party.world
    await party.call("RemoveMember", party.owner, user_id=party.member.user_id)
    gone = await party.refused("RemoveMember", party.owner, user_id=party.member.user_id)
    assert gone == ("NOT_FOUND", "MEMBER_NOT_FOUND")
    await party.call("JoinGroup", party.member)
    await party.call("DeleteGroup", party.owner)
    assert await party.refused("ListMembers", party.owner) == GONE
    member = UUID(party.member.user_id)
    found = await world.sql(
        "SELECT join_time, leave_time FROM group_membership WHERE user_id = %s ORDER BY join_time", member
    )
    times: list[Any] = [at for interval in found for at in interval]
    assert len(times) == 4
    assert times == sorted(set(times))
    assert await world.sql("SELECT COUNT(*) FROM group_membership WHERE leave_time IS NULL") == [(0,)]
    await until(lambda: world.step.of("group_deleted"))
    kinds = [
        (fact, told.user_id if fact == "group_member_left" else told.member.user_id)
        for fact in ("group_member_joined", "group_member_left")
        for told in world.step.of(fact)
    ]
    assert [kind for kind, user in kinds if user == party.member.user_id] == [
        "group_member_joined",
        "group_member_joined",
        "group_member_left",
    ]


@pytest.mark.requirement("PRIV-01")
async def test_a_block_hides_members_from_each_other_but_not_from_who_runs_the_group(party: Party) -> None:
    world = party.world
    await party.call("JoinGroup", party.stranger)
    await world.call("BlockUser", party.stranger.access, user_id=party.member.user_id)
    everybody = {"Owner", "Admin", "Member", "Stranger"}
    assert set(await party.members(party.member)) == everybody - {"Stranger"}
    assert set(await party.members(party.stranger)) == everybody - {"Member"}
    assert set(await party.members(party.owner)) == everybody
    await world.call("BlockUser", party.stranger.access, user_id=party.owner.user_id)
    assert set(await party.members(party.owner)) == everybody


async def test_nobody_belongs_to_more_than_50_groups(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    for number in range(50):
        await world.call("CreateGroup", anna.access, name=f"group {number}")
    full = ("FAILED_PRECONDITION", "GROUP_LIMIT_REACHED")
    assert await refused(world, "CreateGroup", anna, name="one more") == full
    group = (await world.call("CreateGroup", bora.access, name="Bora's")).group
    assert await refused(world, "JoinGroup", anna, group_id=group.group_id) == full
    first = (await world.call("ListMyGroups", anna.access, page_size=1)).groups[0]
    await world.call("LeaveGroup", anna.access, group_id=first.group_id)
    await world.call("JoinGroup", anna.access, group_id=group.group_id)


@pytest.mark.requirement("DATA-02", "DLV-01")
async def test_of_many_who_join_at_once_as_many_come_in_as_there_is_room(mysql_url: str, redis_url: str) -> None:
    async with open_rooms(mysql_url, redis_url) as rooms:
        owner, _ = await rooms.sign_up("owner")
        place = await rooms.social.groups.create(owner, GroupWish(name="crowd", max_members=101))
        group_id = place.group.group_id
        joiners = await rooms.newcomers(JOINERS)
        waiting = asyncio.Semaphore(50)  # more would be refused by the pool

        async def join(user: Any) -> str:
            async with waiting:
                try:
                    await rooms.social.members.join(user, group_id, None)
                except GroupFull as full:
                    return full.reason
                return "OK"

        outcomes = await asyncio.gather(*(join(user) for user in joiners))
        assert (outcomes.count("OK"), outcomes.count("GROUP_FULL")) == (100, JOINERS - 100)
        await consistent(rooms.database, members=101, told=101)


async def consistent(database: Database, *, members: int, told: int) -> None:
    async with database.reading() as tx:
        assert await tx.one("SELECT member_count FROM user_group") == (members,)
        assert await tx.one("SELECT COUNT(*) FROM group_membership WHERE leave_time IS NULL") == (members,)
        joined = "SELECT COUNT(*) FROM outbox WHERE destination = 'step' AND kind = 'GroupMemberJoined'"
        assert await tx.one(joined) == (told,)


@pytest.mark.alone
@pytest.mark.requirement("DATA-08")
async def test_everybody_at_once_surfaces_no_deadlock(world: World) -> None:
    people = [await world.sign_up() for _ in range(4)]
    groups = [
        (await world.call("CreateGroup", person.access, name=f"group {number}")).group.group_id
        for number, person in enumerate(people)
    ]
    expected = {"OK", "NOT_A_MEMBER", "OWNER_MUST_TRANSFER", "MEMBER_NOT_FOUND", "GROUP_ROLE_REQUIRED"}

    async def act(index: int) -> str:
        person, group_id = people[index % 4], groups[index // 4 % 4]
        rpc = ("JoinGroup", "LeaveGroup", "JoinGroup", "RemoveMember")[index // 16 % 4]
        fields = {"user_id": people[(index + 1) % 4].user_id} if rpc == "RemoveMember" else {}
        return await world.outcome(rpc, person.access, group_id=group_id, **fields)

    outcomes = set(await asyncio.gather(*(act(index) for index in range(192))))
    assert outcomes <= expected | {"GROUP_NOT_FOUND"}
    counted = await world.sql(
        "SELECT user_group.group_id FROM user_group JOIN group_membership USING (group_id) WHERE leave_time IS NULL"
        " GROUP BY user_group.group_id, member_count HAVING COUNT(*) <> member_count"
    )
    assert counted == []
