"""What the notification service is told of sessions: every end, and sign-ins on devices that were not known."""

import asyncio
from typing import Any

import pytest

from tests.service.user.conftest import PASSWORD, Person, World
from tests.support.waiting import until

PHONE = {"installation_id": "phone-1", "device_name": "Pixel"}


async def signed_in(world: World, person: Person, **client: Any) -> Any:
    return (await world.call("Login", email=person.email, password=PASSWORD, **client)).tokens


@pytest.mark.requirement("FCM-14")
async def test_a_logout_is_told_once_with_its_installation(world: World) -> None:
    person = await world.sign_up(**PHONE)
    await world.call("Logout", person.access)
    await world.call("Logout", refresh_token=person.tokens.refresh_token)
    await until(lambda: world.notification.of("session_ended"))
    (told,) = world.notification.of("session_ended")
    assert (told.user_id, told.session_id) == (person.user_id, person.tokens.session_id)
    assert told.installation_id == "phone-1"
    assert world.step.of("session_ended") == []


@pytest.mark.requirement("FCM-14")
async def test_whoever_pushes_knows_before_the_logout_is_acknowledged(world: World) -> None:
    person = await world.sign_up(**PHONE)
    await world.call("Logout", person.access)
    assert [told.session_id for told in world.notification.of("session_ended")] == [person.tokens.session_id]
    others = [await signed_in(world, person, **PHONE) for _ in range(3)]
    await world.call("LogoutEverywhere", others[0].access_token)
    told = {told.session_id for told in world.notification.of("session_ended")}
    assert told == {person.tokens.session_id, *(tokens.session_id for tokens in others)}


@pytest.mark.requirement("FCM-14")
async def test_a_logout_does_not_wait_for_a_service_that_does_not_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver, back = world.notification.deliver, asyncio.Event()

    async def later(message: Any) -> Any:
        await back.wait()
        return await deliver(message)

    monkeypatch.setattr(world.notification, "deliver", later)
    person = await world.sign_up(**PHONE)
    await world.call("Logout", person.access)  # the call is given up after 20 s
    assert world.notification.of("session_ended") == []
    assert (await world.refusal("Refresh", refresh_token=person.tokens.refresh_token)).reason == "REFRESH_TOKEN_INVALID"
    back.set()
    await until(lambda: world.notification.of("session_ended"), 60)


async def test_a_session_that_ends_for_reuse_or_for_want_of_room_is_told_too(world: World) -> None:
    person = await world.sign_up(**PHONE)
    tokens = person.tokens
    for _ in range(2):
        tokens = (await world.call("Refresh", refresh_token=tokens.refresh_token)).tokens
    await world.refusal("Refresh", refresh_token=person.tokens.refresh_token)
    await until(lambda: len(world.notification.of("session_ended")) == 1)
    for _ in range(3):
        login = {"email": person.email, "password": PASSWORD, **PHONE}
        assert set(await asyncio.gather(*(world.outcome("Login", **login) for _ in range(7)))) == {"OK"}
    await until(lambda: len(world.notification.of("session_ended")) == 2)


async def test_a_new_device_is_told_and_a_known_one_is_not(world: World) -> None:
    person = await world.sign_up(**PHONE)
    await signed_in(world, person, **PHONE)
    other = await signed_in(world, person, installation_id="tablet", device_name="Tab")
    await signed_in(world, person, installation_id="tablet")
    unnamed = await signed_in(world, person)
    await until(lambda: len(world.notification.of("security_noticed")) == 2)
    told = {notice.session_id: notice for notice in world.notification.of("security_noticed")}
    assert set(told) == {other.session_id, unnamed.session_id}
    assert told[other.session_id].device_name == "Tab"
    assert told[other.session_id].kind.name == "NEW_LOGIN"
