"""Creating calls under a request id: done once, answered alike for a day, whatever happens to answers and calls."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.runtime.repeats import Repeatable, RequestInFlight, forget_answers
from tests.service.user.conftest import RefusedError, World
from tests.service.user.rooms import open_rooms
from tests.service.user.test_friends import accept, ask
from tests.support.clock import FakeClock


@pytest.mark.requirement("DLV-06")
async def test_the_same_id_gives_the_first_answer_for_a_day(world: World) -> None:
    anna = await world.sign_up("Anna")
    name = str(uuid4())
    first = await world.call("CreateInvite", anna.access, request_id=name)
    world.clock.advance(timedelta(hours=23))
    anna = await world.sign_in(anna)
    assert await world.call("CreateInvite", anna.access, request_id=name) == first
    assert await world.sql("SELECT COUNT(*) FROM invite") == [(1,)]
    assert await world.call("CreateInvite", anna.access, request_id=str(uuid4())) != first
    bora = await world.sign_up("Bora")
    assert await world.call("CreateInvite", bora.access, request_id=name) != first
    world.clock.advance(timedelta(hours=2))
    anna = await world.sign_in(anna)
    later = await world.call("CreateInvite", anna.access, request_id=name)
    assert later != first
    assert await world.call("CreateInvite", anna.access, request_id=name) == later


@pytest.mark.requirement("DLV-06")
async def test_an_id_belongs_to_one_request(world: World) -> None:
    anna, bora, cleo = [await world.sign_up(name) for name in ("Anna", "Bora", "Cleo")]
    name = str(uuid4())
    asked = await world.call("SendFriendRequest", anna.access, user_id=bora.user_id, request_id=name)
    refusal = await world.refusal("SendFriendRequest", anna.access, user_id=cleo.user_id, request_id=name)
    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    await accept(world, bora, anna)
    for spelled in (name, name.upper()):
        assert await world.call("SendFriendRequest", anna.access, user_id=bora.user_id, request_id=spelled) == asked
    refusal = await world.refusal("CreateInvite", anna.access, request_id="x")
    assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", ["request_id"])


@pytest.mark.requirement("DLV-06")
async def test_a_refused_call_leaves_its_id_free(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    name = str(uuid4())
    refusal = await world.refusal("SendCheer", anna.access, user_id=bora.user_id, request_id=name)
    assert refusal.reason == "FRIEND_NOT_FOUND"
    await ask(world, anna, bora)
    await accept(world, bora, anna)
    for _ in range(3):
        await world.call("SendCheer", anna.access, user_id=bora.user_id, request_id=name)
    assert await world.sql("SELECT COUNT(*) FROM used_quota WHERE quota = 2") == [(1,)]


@pytest.mark.requirement("DLV-06")
async def test_twenty_calls_at_once_have_one_effect(world: World) -> None:
    anna = await world.sign_up("Anna")
    name = str(uuid4())

    async def create() -> str:
        try:
            return str((await world.call("CreateInvite", anna.access, request_id=name)).invite.code)
        except RefusedError as error:
            return f"{error.refusal.status} {error.refusal.reason}"

    outcomes = set(await asyncio.gather(*(create() for _ in range(20))))
    assert len(outcomes - {"ABORTED REQUEST_IN_FLIGHT"}) == 1
    assert await world.sql("SELECT COUNT(*) FROM invite") == [(1,)]


class Asking:
    """A request with an id, and an answer."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id

    def __bytes__(self) -> bytes:
        return b"the same"

    @classmethod
    def parse(cls, data: bytes) -> "Asking":
        return cls(data.decode())


@pytest.mark.requirement("DLV-06")
async def test_a_call_that_is_under_way_is_not_begun_again(mysql_url: str, redis_url: str) -> None:
    user, asking = UserId(new_uuid7()), Asking(str(uuid4()))

    def call() -> Any:
        return Repeatable("Anything", user, asking, lambda _: asking, FakeClock())

    async with open_rooms(mysql_url, redis_url) as rooms, rooms.database.transaction() as first:
        await call().once.begin(first)
        with pytest.raises(RequestInFlight) as refused:
            async with rooms.database.transaction() as second:
                await second.execute("SET SESSION innodb_lock_wait_timeout = 1")
                await call().once.begin(second)
        assert refused.value.retry_after == timedelta(seconds=1)


async def test_answers_are_forgotten_after_a_day(mysql_url: str, redis_url: str) -> None:
    async with open_rooms(mysql_url, redis_url) as rooms:
        anna, _ = await rooms.sign_up("anna")
        call: Any = Repeatable("CreateInvite", anna, Asking(str(UUID(int=1))), lambda _: Asking(""), rooms.clock)
        await rooms.social.invites.create(anna, call.once)
        async with rooms.database.transaction() as tx:
            assert await forget_answers(tx, rooms.clock.now() + timedelta(hours=23)) == 0
            assert await forget_answers(tx, rooms.clock.now() + timedelta(hours=25)) == 1
