"""Users: what they change of themselves, what others see, find and tell of them."""

from datetime import timedelta
from typing import Any

import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.grpc.messages import message_class
from tests.service.user.conftest import Person, RefusedError, World
from tests.service.user.test_friends import accept, ask, refused
from tests.support.waiting import until

Event = message_class("firewalker.event.v1.Event")
DeliverRequest = message_class("firewalker.event.v1.DeliverRequest")


async def update(world: World, person: Person, mask: str = "", **user: Any) -> Any:
    fields = {"update_mask": {"paths": mask.split(",")}} if mask else {}
    return (await world.call("UpdateMe", person.access, user=user, **fields)).user


async def test_what_is_set_changes_and_is_told(world: World) -> None:
    anna = await world.sign_up("Anna")
    changed = await update(world, anna, nickname="Anna Kim", visibility="ROUNDED", time_zone="Europe/Berlin")
    assert (changed.nickname, changed.visibility, changed.time_zone) == ("Anna Kim", 2, "Europe/Berlin")
    assert (await world.call("GetMe", anna.access)).user == changed
    assert await update(world, anna, nickname="Anna Kim", visibility="ROUNDED") == changed
    await until(lambda: world.step.of("time_zone_changed") and world.notification.of("time_zone_changed"))
    for recorder in (world.step, world.notification):
        [profile] = recorder.of("profile_changed")
        assert (profile.profile.user_id, profile.profile.nickname) == (anna.user_id, "Anna Kim")
        [visibility] = recorder.of("visibility_changed")
        assert (visibility.user_id, visibility.visibility) == (anna.user_id, 2)
        [zone] = recorder.of("time_zone_changed")
        tomorrow = world.clock.now() + timedelta(hours=9, days=1)
        assert (zone.time_zone, zone.first_date) == ("Europe/Berlin", tomorrow.date().isoformat())


async def test_the_mask_says_what_is_taken(world: World) -> None:
    anna = await world.sign_up("Anna")
    changed = await update(world, anna, "visibility", nickname="Ignored", visibility="HIDDEN")
    assert (changed.nickname, changed.visibility) == ("Anna", 4)
    changed = await update(world, anna, "*", nickname="Anna", visibility="FRIENDS", time_zone="Asia/Seoul")
    assert changed.visibility == 1
    unchanged = await update(world, anna, email="x@example.org", user_id=str(new_uuid7()))
    assert (unchanged.email, unchanged.user_id) == (anna.email, anna.user_id)
    wrong: dict[str, dict[str, Any]] = {
        "update_mask": {"update_mask": {"paths": ["email"]}, "user": {"nickname": "Anna"}},
        "user.nickname": {"user": {"nickname": "_"}},
        "user.time_zone": {"user": {"time_zone": "Mars/Olympus"}},
        "user.visibility": {"user": {}, "update_mask": {"paths": ["visibility"]}},
        "user": {},
    }
    for field, request in wrong.items():
        refusal = await world.refusal("UpdateMe", anna.access, **request)
        assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", [field])


async def test_a_nickname_of_somebody_else_cannot_be_taken_and_nothing_else_changes(world: World) -> None:
    anna = await world.sign_up("Anna")
    await world.sign_up("Bora")
    with pytest.raises(RefusedError) as taken:
        await update(world, anna, nickname="b0RA", visibility="HIDDEN")
    assert (taken.value.refusal.status, taken.value.refusal.reason) == ("ALREADY_EXISTS", "NICKNAME_TAKEN")
    assert (await world.call("GetMe", anna.access)).user.visibility == 1
    assert (await update(world, anna, nickname="ANNA")).nickname == "ANNA"


async def test_a_time_zone_is_changed_once_a_day(world: World) -> None:
    anna = await world.sign_up("Anna")
    await update(world, anna, time_zone="Europe/Berlin")
    with pytest.raises(RefusedError) as early:
        await update(world, anna, time_zone="America/Lima")
    refusal = early.value.refusal
    assert (refusal.status, refusal.reason) == ("RESOURCE_EXHAUSTED", "TIME_ZONE_CHANGED_TODAY")
    assert refusal.retry_after_s is not None
    world.clock.advance(refusal.retry_after_s)
    anna = await world.sign_in(anna)
    assert (await update(world, anna, time_zone="America/Lima")).time_zone == "America/Lima"


async def test_a_card_shows_what_everybody_may_see(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    user = (await world.call("GetUser", anna.access, user_id=bora.user_id)).user
    assert {field.name for field, _ in user.ListFields()} == {"user_id", "nickname", "friendship_state"}
    assert user.friendship_state == 1
    await ask(world, anna, bora)
    await accept(world, bora, anna)
    assert (await world.call("GetUser", anna.access, user_id=bora.user_id)).user.friendship_state == 3
    assert (await world.call("GetUser", anna.access, user_id=anna.user_id)).user.nickname == "Anna"
    assert await refused(world, "GetUser", anna, user_id=str(new_uuid7())) == ("NOT_FOUND", "USER_NOT_FOUND")
    assert (await refused(world, "GetUser", anna, user_id="x"))[1] == "INVALID_REQUEST"


@pytest.mark.requirement("PRIV-09")
async def test_users_are_found_by_the_beginning_of_their_names_in_pages(world: World) -> None:
    anna = await world.sign_up("Anna")
    for name in ("지수", "지수 Kim", "지후", "jisu_1", "jisu.2", "JISU-3", "jis"):
        await world.sign_up(name)

    async def found(query: str, size: int = 50) -> list[str]:
        names: list[str] = []
        token = ""
        while True:
            page = await world.call("SearchUsers", anna.access, query=query, page_size=size, page_token=token)
            names += [user.nickname for user in page.users]
            token = page.next_page_token
            if not token:
                return names

    assert await found("지수") == ["지수", "지수 Kim"]
    for size in (1, 2, 50):
        assert await found("JISU", size) == ["JISU-3", "jisu.2", "jisu_1"]
    assert await found("jisu_") == ["jisu_1"]
    assert await found("ji%") == []
    assert await found("an") == []  # oneself
    for query in ("j", " j", "", "x" * 21):
        assert (await refused(world, "SearchUsers", anna, query=query))[1] == "INVALID_REQUEST"
    page = await world.call("SearchUsers", anna.access, query="jisu", page_size=1)
    other = await refused(world, "SearchUsers", anna, query="jis", page_token=page.next_page_token)
    assert other == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_users_are_reported_with_reasons(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    await world.call("ReportUser", anna.access, user_id=bora.user_id, reason="CHEATING", text="100 000 in an hour")
    assert await world.sql("SELECT reason, text FROM user_report") == [(4, "100 000 in an hour")]
    assert (await refused(world, "ReportUser", anna, user_id=anna.user_id, reason=1))[1] == "CANNOT_REPORT_SELF"
    assert (await refused(world, "ReportUser", anna, user_id=str(new_uuid7()), reason=1))[1] == "USER_NOT_FOUND"
    refusal = await world.refusal("ReportUser", anna.access, user_id=bora.user_id, reason=99, text="x" * 1_001)
    assert refusal.fields == ["reason", "text"]
    for _ in range(19):
        world.clock.advance(1)
        await world.call("ReportUser", anna.access, user_id=bora.user_id, reason="SPAM")
    full = ("RESOURCE_EXHAUSTED", "DAILY_REPORT_LIMIT_REACHED")
    assert await refused(world, "ReportUser", anna, user_id=bora.user_id, reason="SPAM") == full


async def test_goals_come_from_the_step_service_and_friends_see_shared_ones(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    await ask(world, anna, bora)
    await accept(world, bora, anna)

    async def told(steps: int, *, shared: bool, minutes: int) -> None:
        event = Event(event_id=str(new_uuid7()))
        event.create_time.FromDatetime(world.clock.now() + timedelta(minutes=minutes))
        event.goal_set.user_id, event.goal_set.daily_steps, event.goal_set.shared = bora.user_id, steps, shared
        deliver = world.service.internal.unary_unary(
            "/firewalker.event.v1.EventSinkService/Deliver",
            request_serializer=DeliverRequest.SerializeToString,
            response_deserializer=message_class("firewalker.event.v1.DeliverResponse").FromString,
        )
        for _ in range(2):
            await deliver(DeliverRequest(events=[event]), metadata=world.service.as_service("step"), timeout=60)

    async def seen() -> tuple[int | None, int | None]:
        me = (await world.call("GetMe", bora.access)).user
        [friend] = (await world.call("ListFriends", anna.access)).friends
        own = me.daily_goal if me.HasField("daily_goal") else None
        return own, friend.daily_goal if friend.HasField("daily_goal") else None

    assert await seen() == (None, None)
    await told(8_000, shared=False, minutes=2)
    assert await seen() == (8_000, None)
    await told(5_000, shared=True, minutes=1)  # older
    assert await seen() == (8_000, None)
    await told(9_000, shared=True, minutes=3)
    assert await seen() == (9_000, 9_000)
