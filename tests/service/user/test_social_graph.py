"""What the other services are told when they ask: the graph as MySQL has it, in a fixed number of queries."""

from typing import Any

import grpc
import pytest

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.mysql import Database
from firewalker.user.store.friend_lists import FriendLists
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.memberships import Memberships
from firewalker.user.store.users import Users
from firewalker.user.usecases.social_graph import SocialGraph
from tests.service.step.test_projections import queries
from tests.service.user.conftest import Person, World
from tests.service.user.test_friends import accept, ask

FRIENDS, ROUNDED, RANK_ONLY, HIDDEN = 1, 2, 3, 4


async def ask_service(world: World, rpc: str, *, credential: bool = True, **fields: Any) -> Any:
    request = message_class(f"firewalker.user.v1.{rpc}Request")
    call = world.service.internal.unary_unary(
        f"/firewalker.user.v1.SocialGraphService/{rpc}",
        request_serializer=request.SerializeToString,
        response_deserializer=message_class(f"firewalker.user.v1.{rpc}Response").FromString,
    )
    metadata = world.service.as_service("step") if credential else [("authorization", "Bearer nobody")]
    return await call(request(**fields), metadata=metadata, timeout=60)


async def bonds(world: World, *pairs: tuple[Person, Person]) -> list[tuple[bool, bool, bool, int]]:
    asked = [{"viewer_id": viewer.user_id, "subject_id": subject.user_id} for viewer, subject in pairs]
    answer = await ask_service(world, "CheckBonds", queries=asked)
    return [(bond.friends, bond.blocked, bond.subject_asks, bond.visibility) for bond in answer.bonds]


@pytest.mark.requirement("PRIV-01")
async def test_bonds_are_told_as_they_stand(world: World) -> None:
    anna, bora, cleo = [await world.sign_up(name) for name in ("Anna", "Bora", "Cleo")]
    stranger = (False, False, False, HIDDEN)
    assert await bonds(world, (anna, bora), (bora, anna), (anna, anna)) == [
        stranger,
        stranger,
        (False, False, False, FRIENDS),
    ]
    await ask(world, anna, bora)
    assert await bonds(world, (bora, anna), (anna, bora)) == [(False, False, True, HIDDEN), stranger]
    await accept(world, bora, anna)
    await world.call("UpdateMe", anna.access, user={"visibility": ROUNDED})
    await world.call("SetFriendVisibility", bora.access, user_id=anna.user_id, visibility=RANK_ONLY)
    assert await bonds(world, (anna, bora), (bora, anna)) == [(True, False, False, RANK_ONLY)] * 2
    await world.call("BlockUser", anna.access, user_id=bora.user_id)
    await ask(world, bora, anna)
    blocked = (False, True, False, HIDDEN)
    assert await bonds(world, (bora, anna), (anna, bora), (anna, cleo)) == [blocked, blocked, stranger]
    unknown = [{"viewer_id": anna.user_id, "subject_id": str(new_uuid7())}]
    assert not (await ask_service(world, "CheckBonds", queries=unknown)).bonds[0].friends


async def test_a_circle_has_all_friends_with_what_each_shows(world: World) -> None:
    anna, bora, cleo = [await world.sign_up(name) for name in ("Anna", "Bora", "Cleo")]
    for other in (bora, cleo):
        world.clock.advance(1)
        await ask(world, anna, other)
        await accept(world, other, anna)
    await world.call("UpdateMe", bora.access, user={"visibility": HIDDEN})
    await world.call("UpdateMe", anna.access, user={"visibility": ROUNDED})
    await world.call("SetFriendVisibility", cleo.access, user_id=anna.user_id, visibility=RANK_ONLY)
    await world.call("SetFriendVisibility", anna.access, user_id=cleo.user_id, visibility=FRIENDS)
    circle = await ask_service(world, "GetCircle", user_id=anna.user_id)
    assert (circle.me.nickname, circle.me.time_zone, circle.me.shows) == ("Anna", "Asia/Seoul", ROUNDED)
    assert not circle.me.HasField("since_time")
    assert [(one.nickname, one.shows, one.is_shown) for one in circle.friends] == [
        ("Bora", HIDDEN, ROUNDED),
        ("Cleo", RANK_ONLY, FRIENDS),
    ]
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await ask_service(world, "GetCircle", user_id=str(new_uuid7()))
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND


async def test_memberships_are_told_by_user_and_by_group(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    group = (await world.call("CreateGroup", anna.access, name="Han")).group.group_id
    for _ in range(2):
        await world.call("JoinGroup", bora.access, group_id=group)
        await world.call("LeaveGroup", bora.access, group_id=group)
    await world.call("JoinGroup", bora.access, group_id=group)
    of_bora = (await ask_service(world, "ListMemberships", user_id=bora.user_id)).memberships
    assert [one.HasField("leave_time") for one in of_bora] == [True, True, False]
    assert [one.group_id for one in of_bora] == [group] * 3
    of_group = (await ask_service(world, "ListMemberships", group_id=group)).memberships
    assert [one.user_id for one in of_group] == sorted([anna.user_id, *[bora.user_id] * 3])
    await world.call("DeleteGroup", anna.access, group_id=group)
    of_group = (await ask_service(world, "ListMemberships", group_id=group)).memberships
    assert all(one.HasField("leave_time") for one in of_group)


@pytest.mark.parametrize("rpc", ["GetCircle", "CheckBonds", "ListMemberships"])
async def test_nobody_but_a_service_asks(world: World, rpc: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask_service(world, rpc, credential=False)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    malformed: dict[str, dict[str, Any]] = {
        "GetCircle": {"user_id": "x"},
        "CheckBonds": {"queries": [{"viewer_id": "x"}] * 501},
        "ListMemberships": {},
    }
    with pytest.raises(grpc.aio.AioRpcError) as invalid:
        await ask_service(world, rpc, **malformed[rpc])
    assert invalid.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_many_pairs_cost_as_many_queries_as_one(world: World) -> None:
    people = [UserId(new_uuid7()) for _ in range(200)]
    async with Database(world.mysql_url, pool_size=1) as database:
        graph = SocialGraph(
            database=database,
            users=Users(),
            friendships=Friendships(),
            lists=FriendLists(),
            memberships=Memberships(),
        )
        before = await queries(database)
        assert len(await graph.bonds([(people[0], other) for other in people[1:]])) == 199
        assert await queries(database) == before + 2
