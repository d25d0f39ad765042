"""Friendships through the real wire: who may do what, the limits, and what the other services are told."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from firewalker.kernel.ids import new_uuid7
from tests.service.user.conftest import Person, RefusedError, World
from tests.support.waiting import until

NONE, REQUESTED, FRIENDS = 1, 2, 3


async def ask(world: World, caller: Person, other: Person) -> Any:
    return (await world.call("SendFriendRequest", caller.access, user_id=other.user_id)).friendship


async def accept(world: World, caller: Person, other: Person) -> Any:
    return (await world.call("AcceptFriendRequest", caller.access, user_id=other.user_id)).friendship


async def names(world: World, rpc: str, caller: Person, **fields: Any) -> list[str]:
    answer = await world.call(rpc, caller.access, **fields)
    rows = answer.friends if rpc == "ListFriends" else answer.friend_requests
    return [row.nickname for row in rows]


async def refused(world: World, rpc: str, caller: Person, **fields: Any) -> tuple[str, str]:
    refusal = await world.refusal(rpc, caller.access, **fields)
    return refusal.status, refusal.reason


async def test_from_a_request_to_a_friendship(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    asked = await ask(world, anna, bora)
    assert (asked.user_id, asked.nickname, asked.state) == (bora.user_id, "Bora", REQUESTED)
    assert asked.requested_by == anna.user_id
    assert not asked.HasField("since_time")
    assert await names(world, "ListFriendRequests", bora) == ["Anna"]
    assert await names(world, "ListFriendRequests", anna, direction=2) == ["Bora"]
    assert await names(world, "ListFriendRequests", anna) == []
    world.clock.advance(1)
    accepted = await accept(world, bora, anna)
    assert (accepted.user_id, accepted.nickname, accepted.state) == (anna.user_id, "Anna", FRIENDS)
    assert accepted.requested_by == ""
    assert accepted.since_time.ToMilliseconds() == int(world.clock.now().timestamp() * 1000)
    assert await names(world, "ListFriends", anna) == ["Bora"]
    assert await names(world, "ListFriends", bora) == ["Anna"]
    assert await names(world, "ListFriendRequests", bora) == []


@pytest.mark.requirement("DLV-01", "DLV-06")
async def test_the_other_services_are_told_each_fact_once(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    for _ in range(3):
        await ask(world, anna, bora)
    for _ in range(3):
        await accept(world, bora, anna)
    await ask(world, anna, bora)
    await until(lambda: world.step.of("friendship_accepted") and world.notification.of("friendship_accepted"))
    for recorder in (world.step, world.notification):
        [asked] = recorder.of("friend_requested")
        assert (asked.requester.user_id, asked.requester.nickname) == (anna.user_id, "Anna")
        assert asked.addressee_id == bora.user_id
        [accepted] = recorder.of("friendship_accepted")
        assert (accepted.accepter.nickname, accepted.requester.nickname) == ("Bora", "Anna")
        assert accepted.since_time is not None
    await until(lambda: len(world.step.events) == len(world.notification.events) == 4)


async def test_a_user_is_found_by_nickname_without_regard_to_case(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("보라 Kim")
    answer = await world.call("SendFriendRequest", anna.access, nickname="보라 KIM")
    assert answer.friendship.user_id == bora.user_id


async def test_asking_back_makes_friends(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    await ask(world, anna, bora)
    assert (await ask(world, bora, anna)).state == FRIENDS
    await until(lambda: world.step.of("friendship_accepted"))
    [accepted] = world.step.of("friendship_accepted")
    assert (accepted.accepter.nickname, accepted.requester.nickname) == ("Bora", "Anna")


async def test_what_cannot_be_asked(world: World) -> None:
    anna = await world.sign_up("Anna")
    rpc = "SendFriendRequest"
    assert await refused(world, rpc, anna, user_id=anna.user_id) == ("INVALID_ARGUMENT", "CANNOT_BEFRIEND_SELF")
    assert await refused(world, rpc, anna, nickname="anna") == ("INVALID_ARGUMENT", "CANNOT_BEFRIEND_SELF")
    assert await refused(world, rpc, anna, user_id=str(new_uuid7())) == ("NOT_FOUND", "USER_NOT_FOUND")
    assert await refused(world, rpc, anna, nickname="nobody") == ("NOT_FOUND", "USER_NOT_FOUND")
    for wrong, field in (({}, "target"), ({"user_id": "x"}, "user_id"), ({"nickname": "\x00"}, "nickname")):
        refusal = await world.refusal(rpc, anna.access, **wrong)
        assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", [field])
    assert await world.sql("SELECT COUNT(*) FROM friendship") == [(0,)]


@pytest.mark.requirement("AUTH-08")
async def test_who_may_accept(world: World) -> None:
    """Nobody, a stranger, who asked, who was asked."""
    anna, bora, stranger = [await world.sign_up(name) for name in ("Anna", "Bora", "Stranger")]
    await ask(world, anna, bora)
    refusal = await world.refusal("AcceptFriendRequest", user_id=anna.user_id)
    assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "ACCESS_TOKEN_INVALID")
    missing = ("NOT_FOUND", "FRIEND_REQUEST_NOT_FOUND")
    assert await refused(world, "AcceptFriendRequest", stranger, user_id=anna.user_id) == missing
    assert await refused(world, "AcceptFriendRequest", anna, user_id=bora.user_id) == missing
    assert await refused(world, "AcceptFriendRequest", anna, user_id=anna.user_id) == missing
    assert await refused(world, "AcceptFriendRequest", anna, user_id=str(new_uuid7())) == missing
    assert (await refused(world, "AcceptFriendRequest", anna, user_id="x"))[1] == "INVALID_REQUEST"
    assert await world.sql("SELECT COUNT(*) FROM friendship") == [(1,)]
    assert (await accept(world, bora, anna)).state == FRIENDS


@pytest.mark.requirement("AUTH-08")
@pytest.mark.parametrize(
    "rpc", ["GetMe", "SendFriendRequest", "ListFriendRequests", "AcceptFriendRequest", "ListFriends"]
)
async def test_nobody_gets_anything(world: World, rpc: str) -> None:
    for access in (None, "", "garbage"):
        refusal = await world.refusal(rpc, access)
        assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "ACCESS_TOKEN_INVALID")


async def test_everybody_sees_their_own_lists_alone(world: World) -> None:
    anna, bora, stranger = [await world.sign_up(name) for name in ("Anna", "Bora", "Stranger")]
    await ask(world, anna, bora)
    await accept(world, bora, anna)
    await ask(world, stranger, bora)
    assert await names(world, "ListFriends", stranger) == []
    assert await names(world, "ListFriendRequests", anna) == []
    assert (await world.call("GetMe", stranger.access)).user.nickname == "Stranger"


async def make_friends(world: World, center: Person, count: int) -> list[Person]:
    friends = []
    for index in range(count):
        world.clock.advance(timedelta(seconds=0 if index % 3 else 1))
        friends.append(friend := await world.sign_up())
        if index % 2:
            await ask(world, center, friend)
            await accept(world, friend, center)
        else:
            await ask(world, friend, center)
            await accept(world, center, friend)
    return friends


async def test_lists_come_in_pages_that_miss_and_repeat_nothing(world: World) -> None:
    center = await world.sign_up("Center")
    friends = await make_friends(world, center, 11)
    seen, token, pages = list[str](), "", 0
    while pages == 0 or token:
        answer = await world.call("ListFriends", center.access, page_size=3, page_token=token)
        seen += [friend.user_id for friend in answer.friends]
        token, pages = answer.next_page_token, pages + 1
    assert pages == 4
    assert sorted(seen) == sorted(friend.user_id for friend in friends)
    everything = await world.call("ListFriends", center.access)
    assert seen == [friend.user_id for friend in everything.friends]
    times = [friend.since_time.ToMilliseconds() for friend in everything.friends]
    assert times == sorted(times)
    assert everything.next_page_token == ""


async def test_requests_are_listed_newest_first_in_pages(world: World) -> None:
    center, others = await world.sign_up("Center"), [await world.sign_up() for _ in range(5)]
    for other in others:
        world.clock.advance(timedelta(milliseconds=1))
        await ask(world, other, center)
    seen, token = list[str](), ""
    for _ in range(3):
        answer = await world.call("ListFriendRequests", center.access, page_size=2, page_token=token, direction=1)
        seen += [request.user_id for request in answer.friend_requests]
        token = answer.next_page_token
    assert seen == [other.user_id for other in reversed(others)]
    assert token == ""


async def test_a_page_token_is_good_for_its_query_alone(world: World) -> None:
    center, stranger = await world.sign_up("Center"), await world.sign_up("Stranger")
    await make_friends(world, center, 2)
    token = (await world.call("ListFriends", center.access, page_size=1)).next_page_token
    invalid = ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
    assert await refused(world, "ListFriends", stranger, page_token=token) == invalid
    assert await refused(world, "ListFriendRequests", center, page_token=token) == invalid
    assert await refused(world, "ListFriends", center, page_token=token[:-2]) == invalid
    assert await refused(world, "ListFriends", center, page_token="é") == invalid
    for size in (-1, 201):
        for rpc in ("ListFriends", "ListFriendRequests"):
            assert (await refused(world, rpc, center, page_size=size))[1] == "INVALID_REQUEST"
    assert (await refused(world, "ListFriendRequests", center, direction=7))[1] == "INVALID_REQUEST"


async def test_limits_hold_on_both_sides(world: World) -> None:
    anna, bora, cleo = [await world.sign_up(name) for name in ("Anna", "Bora", "Cleo")]
    await ask(world, bora, anna)

    async def used(who: Person, limit: str, count: int) -> None:
        await world.sql(f"UPDATE friend_count SET {limit} = %s WHERE user_id = %s", count, UUID(who.user_id))  # noqa: S608 - a column

    async def asking(who: Person, whom: Person) -> tuple[str, str]:
        return await refused(world, "SendFriendRequest", who, user_id=whom.user_id)

    await used(anna, "friends", 500)
    full = ("FAILED_PRECONDITION", "FRIEND_LIMIT_REACHED")
    assert await refused(world, "AcceptFriendRequest", anna, user_id=bora.user_id) == full
    assert await asking(anna, bora) == full
    await used(anna, "friends", 0)
    await used(bora, "friends", 500)
    assert await refused(world, "AcceptFriendRequest", anna, user_id=bora.user_id) == full
    await used(bora, "friends", 0)
    await used(cleo, "outgoing", 100)
    assert await asking(cleo, anna) == ("FAILED_PRECONDITION", "OUTGOING_REQUEST_LIMIT_REACHED")
    await used(cleo, "outgoing", 0)
    await used(anna, "incoming", 500)
    assert await asking(cleo, anna) == ("FAILED_PRECONDITION", "INCOMING_REQUEST_LIMIT_REACHED")
    assert (await accept(world, anna, bora)).state == FRIENDS
    assert (await ask(world, cleo, anna)).state == REQUESTED
    assert await world.sql("SELECT SUM(friends) FROM friend_count") == [(2,)]


async def test_thirty_requests_in_24_hours(world: World) -> None:
    anna, last = await world.sign_up("Anna"), await world.sign_up("Last")
    for _ in range(30):
        await ask(world, anna, await world.sign_up())
    world.clock.advance(timedelta(hours=1))
    anna = await world.sign_in(anna)
    refusal = await world.refusal("SendFriendRequest", anna.access, user_id=last.user_id)
    assert (refusal.status, refusal.reason) == ("RESOURCE_EXHAUSTED", "DAILY_REQUEST_LIMIT_REACHED")
    assert refusal.retry_after_s == pytest.approx(23 * 3600, abs=1)
    world.clock.advance(timedelta(hours=23))
    anna = await world.sign_in(anna)
    assert (await ask(world, anna, last)).state == REQUESTED
    assert await world.sql("SELECT COUNT(*) FROM used_quota") == [(1,)]


@pytest.mark.requirement("DATA-08", "DATA-02")
async def test_storms_in_opposite_directions_end_as_friends_exactly_once(world: World) -> None:
    people = [await world.sign_up() for _ in range(4)]
    pairs = [(one, other) for one in people for other in people if one is not other]

    async def act(index: int) -> str:
        caller, other = pairs[index % len(pairs)]
        rpc = "SendFriendRequest" if index // len(pairs) % 2 == 0 else "AcceptFriendRequest"
        try:
            await world.call(rpc, caller.access, user_id=other.user_id)
        except RefusedError as error:
            return error.refusal.reason
        return "OK"

    outcomes = await asyncio.gather(*(act(index) for index in range(len(pairs) * 12)))
    assert set(outcomes) <= {"OK", "FRIEND_REQUEST_NOT_FOUND"}
    assert await world.sql("SELECT state, COUNT(*) FROM friendship GROUP BY state") == [(4, 6)]
    counts = await world.sql("SELECT DISTINCT friends, outgoing, incoming FROM friend_count")
    assert counts == [(3, 0, 0)]
    await until(lambda: len(world.step.events) == len(world.notification.events) == 4 + 6 + 6)
    for recorder in (world.step, world.notification):
        assert len(recorder.of("friendship_accepted")) == 6
        assert len(recorder.of("friend_requested")) == 6
