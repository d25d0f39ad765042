"""Every method of the user service against nobody, and storms in opposite directions against the locks."""

import asyncio
from random import Random

import pytest

from tests.service.user.conftest import SERVICES, World
from tests.support.waiting import until
from tests.unit.user.test_policies import PUBLIC

FOR_USERS = sorted(rpc for rpc, service in SERVICES.items() if f"{service}/{rpc}" not in PUBLIC)

EXPECTED = {"FRIEND_REQUEST_NOT_FOUND", "FRIEND_NOT_FOUND", "USER_IS_BLOCKED", "DAILY_REQUEST_LIMIT_REACHED"}


@pytest.mark.requirement("AUTH-08")
async def test_nobody_can_call_what_is_for_users(world: World) -> None:
    assert len(FOR_USERS) >= 34
    for rpc in FOR_USERS:
        refusal = await world.refusal(rpc)
        assert (rpc, refusal.status, refusal.reason) == (rpc, "UNAUTHENTICATED", "ACCESS_TOKEN_INVALID")
        refusal = await world.refusal(rpc, "x.y.z")
        assert (rpc, refusal.status) == (rpc, "UNAUTHENTICATED")


@pytest.mark.alone
@pytest.mark.requirement("DATA-08", "DATA-02")
async def test_storms_of_everything_surface_no_deadlock_and_leave_counters_right(world: World) -> None:
    people = [await world.sign_up() for _ in range(4)]
    pairs = [(one, other) for one in people for other in people if one is not other]
    dice = Random(5)
    rpcs = (
        "SendFriendRequest", "AcceptFriendRequest", "DeclineFriendRequest", "CancelFriendRequest", "RemoveFriend",
        "BlockUser", "UnblockUser", "SetFriendVisibility", "SendCheer",
    )  # fmt: skip

    async def act() -> str:
        caller, other = dice.choice(pairs)
        rpc = dice.choice(rpcs)
        more = {"visibility": dice.randrange(5)} if rpc == "SetFriendVisibility" else {}
        return await world.outcome(rpc, caller.access, user_id=other.user_id, **more)

    outcomes = set(await asyncio.gather(*(act() for _ in range(400))))
    assert outcomes <= EXPECTED | {"OK"}
    friends = await world.sql("SELECT COALESCE(SUM(state = 4), 0) * 2 FROM friendship")
    asked = await world.sql(
        "SELECT COALESCE(SUM(state NOT IN (1, 4)), 0), COALESCE(SUM(state IN (2, 3)), 0) FROM friendship"
    )
    counted = await world.sql("SELECT SUM(friends), SUM(outgoing), SUM(incoming) FROM friend_count")
    assert [int(str(count)) for count in counted[0]] == [int(str(count)) for count in (*friends[0], *asked[0])]
    begun = await world.sql("SELECT COUNT(*) FROM friendship WHERE state = 4")
    await until(
        lambda: len(world.step.of("friendship_accepted")) - len(world.step.of("friendship_ended")) == begun[0][0]
    )
