"""What somebody does not notice: declines, blocks, ends of friendships. And what the other services learn of it."""

from datetime import timedelta
from typing import Any

import pytest

from firewalker.kernel.ids import new_uuid7
from tests.service.user.conftest import Person, World
from tests.service.user.test_friends import FRIENDS, NONE, REQUESTED, accept, ask, names, refused
from tests.support.waiting import until

HIDDEN, ROUNDED = 4, 2


async def card_state(world: World, caller: Person, other: Person) -> int:
    user = (await world.call("GetUser", caller.access, user_id=other.user_id)).user
    assert (user.user_id, user.nickname) == (other.user_id, other.nickname)
    return int(user.friendship_state)


async def outgoing(world: World, caller: Person) -> list[str]:
    return await names(world, "ListFriendRequests", caller, direction=2)


async def as_of_later(world: World, person: Person, later: timedelta) -> Person:
    world.clock.advance(later)
    return await world.sign_in(person)


async def facts(world: World, *kinds: str) -> dict[str, int]:
    """How many of each kind both services were told, once they were told everything."""

    async def left() -> bool:
        return await world.sql("SELECT COUNT(*) FROM outbox") == [(0,)]

    while not await left():
        await until(lambda: True)
    told = [{kind: len(recorder.of(kind)) for kind in kinds} for recorder in (world.step, world.notification)]
    assert told[0] == told[1]
    return told[0]


async def test_a_declined_request_goes_on_looking_pending(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    asked = await ask(world, anna, bora)
    declined = (await world.call("DeclineFriendRequest", bora.access, user_id=anna.user_id)).friendship
    assert (declined.user_id, declined.state) == (anna.user_id, NONE)
    await world.call("DeclineFriendRequest", bora.access, user_id=anna.user_id)
    assert await names(world, "ListFriendRequests", bora) == []
    assert await outgoing(world, anna) == ["Bora"]
    assert await card_state(world, anna, bora) == REQUESTED
    assert await card_state(world, bora, anna) == NONE
    assert await ask(world, anna, bora) == asked
    missing = ("NOT_FOUND", "FRIEND_REQUEST_NOT_FOUND")
    assert await refused(world, "AcceptFriendRequest", bora, user_id=anna.user_id) == missing
    kinds = ("friend_requested", "friend_request_withdrawn", "friendship_accepted")
    assert await facts(world, *kinds) == {kinds[0]: 1, kinds[1]: 1, kinds[2]: 0}
    assert await world.sql("SELECT outgoing, incoming FROM friend_count ORDER BY outgoing") == [(0, 0), (1, 0)]


async def test_after_a_decline_asking_reaches_nobody_for_7_days_even_by_cancelling(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    await ask(world, anna, bora)
    await world.call("DeclineFriendRequest", bora.access, user_id=anna.user_id)
    await world.call("CancelFriendRequest", anna.access, user_id=bora.user_id)
    assert await outgoing(world, anna) == []
    anna = await as_of_later(world, anna, timedelta(days=6, hours=23))
    assert (await ask(world, anna, bora)).state == REQUESTED
    bora = await world.sign_in(bora)
    assert await names(world, "ListFriendRequests", bora) == []
    anna = await as_of_later(world, anna, timedelta(hours=2))
    await ask(world, anna, bora)
    bora = await world.sign_in(bora)
    assert await names(world, "ListFriendRequests", bora) == ["Anna"]
    assert (await facts(world, "friend_requested"))["friend_requested"] == 2


async def test_who_declined_can_still_become_friends_by_asking(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    await ask(world, anna, bora)
    await world.call("DeclineFriendRequest", bora.access, user_id=anna.user_id)
    assert (await ask(world, bora, anna)).state == FRIENDS


async def test_a_request_is_taken_back_without_a_trace(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    await ask(world, anna, bora)
    for _ in range(2):
        await world.call("CancelFriendRequest", anna.access, user_id=bora.user_id)
    await world.call("CancelFriendRequest", anna.access, user_id=str(new_uuid7()))
    assert await names(world, "ListFriendRequests", bora) == []
    missing = ("NOT_FOUND", "FRIEND_REQUEST_NOT_FOUND")
    assert await refused(world, "AcceptFriendRequest", bora, user_id=anna.user_id) == missing
    assert await refused(world, "DeclineFriendRequest", bora, user_id=anna.user_id) == missing
    assert (await facts(world, "friend_request_withdrawn"))["friend_request_withdrawn"] == 1
    assert await world.sql("SELECT SUM(outgoing + incoming) FROM friend_count") == [(0,)]


async def test_a_friendship_ends_for_both_and_is_told_once(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    await ask(world, anna, bora)
    await accept(world, bora, anna)
    await world.call("SetFriendVisibility", anna.access, user_id=bora.user_id, visibility=ROUNDED)
    for caller, other in ((anna, bora), (bora, anna), (anna, anna)):
        await world.call("RemoveFriend", caller.access, user_id=other.user_id)
    assert await names(world, "ListFriends", anna) == await names(world, "ListFriends", bora) == []
    assert (await facts(world, "friendship_ended"))["friendship_ended"] == 1
    assert await world.sql("SELECT SUM(friends) FROM friend_count") == [(0,)]
    await ask(world, bora, anna)
    await accept(world, anna, bora)
    [friend] = (await world.call("ListFriends", anna.access)).friends
    assert friend.visibility == 0


@pytest.mark.requirement("PRIV-01")
async def test_a_block_ends_everything_and_who_is_blocked_cannot_tell_it_from_being_declined(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    await ask(world, anna, bora)
    blocked = (await world.call("BlockUser", bora.access, user_id=anna.user_id)).block
    assert (blocked.user_id, blocked.nickname) == (anna.user_id, "Anna")
    again = (await world.call("BlockUser", bora.access, user_id=anna.user_id)).block
    assert again == blocked
    assert await names(world, "ListFriendRequests", bora) == []
    # Anna's side: as if Bora had not answered yet.
    assert await outgoing(world, anna) == ["Bora"]
    assert await card_state(world, anna, bora) == REQUESTED
    await world.call("CancelFriendRequest", anna.access, user_id=bora.user_id)
    assert (await ask(world, anna, bora)).state == REQUESTED
    assert await outgoing(world, anna) == ["Bora"]
    assert (await world.call("SearchUsers", anna.access, query="bo")).users == []
    # Bora's side: nothing.
    assert await names(world, "ListFriendRequests", bora) == []
    assert await card_state(world, bora, anna) == NONE
    assert await refused(world, "SendFriendRequest", bora, user_id=anna.user_id) == (
        "FAILED_PRECONDITION",
        "USER_IS_BLOCKED",
    )
    kinds = ("friend_requested", "friend_request_withdrawn", "user_blocked")
    assert await facts(world, *kinds) == dict.fromkeys(kinds, 1)
    assert await world.sql("SELECT SUM(outgoing), SUM(incoming) FROM friend_count") == [(1, 0)]


@pytest.mark.requirement("PRIV-01")
async def test_a_request_to_a_blocker_never_becomes_a_friendship(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    await world.call("BlockUser", bora.access, user_id=anna.user_id)
    await ask(world, anna, bora)
    for _ in range(2):
        await world.call("UnblockUser", bora.access, user_id=anna.user_id)
    assert await names(world, "ListFriendRequests", bora) == []
    assert (await ask(world, bora, anna)).state == REQUESTED
    assert await names(world, "ListFriendRequests", anna) == ["Bora"]
    assert await outgoing(world, anna) == []
    assert (await accept(world, anna, bora)).state == FRIENDS
    kinds = ("user_blocked", "user_unblocked", "friend_requested", "friendship_accepted")
    assert await facts(world, *kinds) == dict.fromkeys(kinds, 1)


async def test_a_block_ends_a_friendship_and_both_can_block(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    await ask(world, anna, bora)
    await accept(world, bora, anna)
    await world.call("BlockUser", anna.access, user_id=bora.user_id)
    world.clock.advance(5)
    await world.call("BlockUser", bora.access, user_id=anna.user_id)
    assert await names(world, "ListFriends", bora) == []
    assert [b.nickname for b in (await world.call("ListBlocks", anna.access)).blocks] == ["Bora"]
    await world.call("UnblockUser", anna.access, user_id=bora.user_id)
    assert (await world.call("ListBlocks", anna.access)).blocks == []
    assert (await ask(world, anna, bora)).state == REQUESTED
    assert await names(world, "ListFriendRequests", bora) == []
    kinds = {"friendship_ended": 1, "user_blocked": 2, "user_unblocked": 1, "friend_requested": 1}
    assert await facts(world, *kinds) == kinds


async def test_blocks_are_listed_in_pages_the_latest_first(world: World) -> None:
    anna = await world.sign_up("Anna")
    people = [await world.sign_up() for _ in range(5)]
    for person in people:
        world.clock.advance(1)
        await world.call("BlockUser", anna.access, user_id=person.user_id)
    found: list[str] = []
    token = ""
    while True:
        page = await world.call("ListBlocks", anna.access, page_size=2, page_token=token)
        found += [block.nickname for block in page.blocks]
        token = page.next_page_token
        if not token:
            break
    assert found == [person.nickname for person in reversed(people)]
    assert await refused(world, "BlockUser", anna, user_id=anna.user_id) == ("INVALID_ARGUMENT", "CANNOT_BLOCK_SELF")
    assert await refused(world, "BlockUser", anna, user_id=str(new_uuid7())) == ("NOT_FOUND", "USER_NOT_FOUND")


async def test_one_friend_is_shown_less_than_the_others(world: World) -> None:
    anna, bora, stranger = [await world.sign_up(name) for name in ("Anna", "Bora", "Stranger")]
    await ask(world, anna, bora)
    await accept(world, bora, anna)

    async def show(visibility: int) -> Any:
        return (
            await world.call("SetFriendVisibility", anna.access, user_id=bora.user_id, visibility=visibility)
        ).friend

    for _ in range(2):
        friend = await show(HIDDEN)
        assert (friend.user_id, friend.visibility) == (bora.user_id, HIDDEN)
    [listed] = (await world.call("ListFriends", anna.access)).friends
    assert listed == friend
    [seen] = (await world.call("ListFriends", bora.access)).friends
    assert seen.visibility == 0
    assert (await show(0)).visibility == 0
    missing = ("NOT_FOUND", "FRIEND_NOT_FOUND")
    for other in (stranger, anna):
        assert await refused(world, "SetFriendVisibility", anna, user_id=other.user_id, visibility=1) == missing
    assert (await facts(world, "friend_visibility_changed"))["friend_visibility_changed"] == 2
    told = world.step.of("friend_visibility_changed")
    assert [(fact.user_id, fact.friend_id, fact.visibility) for fact in told] == [
        (anna.user_id, bora.user_id, HIDDEN),
        (anna.user_id, bora.user_id, 0),
    ]


@pytest.mark.requirement("DLV-10")
async def test_friends_are_cheered_20_times_a_day(world: World) -> None:
    anna, bora, stranger = [await world.sign_up(name) for name in ("Anna", "Bora", "Stranger")]
    await ask(world, anna, bora)
    await accept(world, bora, anna)
    for kind in (0, 2, *[1] * 18):
        world.clock.advance(1)
        await world.call("SendCheer", anna.access, user_id=bora.user_id, kind=kind)
    refusal = await world.refusal("SendCheer", anna.access, user_id=bora.user_id)
    assert (refusal.status, refusal.reason) == ("RESOURCE_EXHAUSTED", "DAILY_CHEER_LIMIT_REACHED")
    assert refusal.retry_after_s == pytest.approx(24 * 3600 - 19, abs=2)
    missing = ("NOT_FOUND", "FRIEND_NOT_FOUND")
    for other in (stranger, anna):
        assert await refused(world, "SendCheer", anna, user_id=other.user_id) == missing
    await until(lambda: len(world.notification.of("cheer_sent")) == 20)
    first, second = world.notification.of("cheer_sent")[:2]
    assert (first.sender.nickname, first.receiver_id, first.kind, second.kind) == ("Anna", bora.user_id, "CLAP", "FIRE")
    assert world.step.of("cheer_sent") == []
    anna = await as_of_later(world, anna, timedelta(days=1))
    await world.call("SendCheer", anna.access, user_id=bora.user_id)
