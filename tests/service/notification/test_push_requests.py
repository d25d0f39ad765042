"""Requests of people: taken back, answered, asked again, and many of them."""

from uuid import UUID

import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.personal_data import Erasure
from tests.service.notification.conftest import Office, event, profile
from tests.service.notification.telling import bodies, lives_in


async def test_who_takes_a_request_back_before_it_was_pushed_and_asks_again_is_pushed_once(office: Office) -> None:
    me, asker = new_uuid7(), new_uuid7()
    await office.register(me)
    await lives_in(office, me, "Asia/Seoul")
    await office.later(2 * 3600)
    withdrawn = {"requester_id": str(asker), "addressee_id": str(me)}
    for _ in range(3):
        await office.request_from(asker, me)
        office.advance(60)
        await office.tell(event(office.clock.now(), friend_request_withdrawn=withdrawn))
    await office.request_from(asker, me)
    await office.later(9 * 3600)
    assert bodies(office) == ["지수님이 친구 요청을 보냈어요."]
    assert len(await office.inbox(me)) == 1


async def test_who_was_pushed_a_request_today_is_not_pushed_it_again_however_often_it_is_taken_back(
    office: Office,
) -> None:
    me, asker = new_uuid7(), new_uuid7()
    await office.register(me)
    for _ in range(3):
        await office.request_from(asker, me)
        await office.settled()
        withdrawn = {"requester_id": str(asker), "addressee_id": str(me)}
        await office.tell(event(office.clock.now(), friend_request_withdrawn=withdrawn))
    await office.request_from(asker, me)
    await office.settled()
    assert len(office.google.accepted) == 1
    assert len(await office.inbox(me)) == 1


async def test_requests_to_join_that_were_answered_or_taken_back_or_are_of_the_deleted_are_not_pushed(
    office: Office,
) -> None:
    me, group = new_uuid7(), str(new_uuid7())
    accepted, gone, waiting, deleted = new_uuid7(), new_uuid7(), new_uuid7(), new_uuid7()
    (erasure,) = [part for part in office.service.app.parts if isinstance(part, Erasure)]
    await erasure.stop()  # as if it had thousands to do before
    await office.register(me)
    await lives_in(office, me, "Asia/Seoul")
    await office.later(2 * 3600)

    async def asks(user: UUID, nickname: str) -> None:
        office.advance(1)
        asked = {"group_id": group, "group_name": "한강", "told_user_ids": [str(me)]}
        asking = {**asked, "requester": profile(user, nickname)}
        await office.tell(event(office.clock.now(), group_join_requested=asking))

    async def closed(user: UUID, *, accepted: bool) -> None:
        told = {"group_id": group, "requester_id": str(user), "accepted": accepted, "told_user_ids": [str(me)]}
        await office.tell(event(office.clock.now(), group_join_request_closed=told))

    for user, nickname in ((waiting, "기다림"), (accepted, "들어옴"), (gone, "물러남"), (deleted, "사라짐")):
        await asks(user, nickname)
    await closed(accepted, accepted=True)
    await closed(gone, accepted=False)
    await office.tell(event(office.clock.now(), user_deleted={"user_id": str(deleted)}))
    await office.later(9 * 3600)
    assert bodies(office) == ["기다림님이 한강을 함께하고 싶어 해요."]
    assert [n.params["user_id"] for n in await office.inbox(me)] == [str(accepted), str(waiting)]
    for user in (accepted, gone):  # on the same date
        await asks(user, "다시")
    await office.pushed(2)
    assert len(await office.inbox(me)) == 4


@pytest.mark.requirement("DLV-10")
async def test_a_flood_of_requests_rings_a_few_times_an_hour_and_is_told_as_one(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    for number in range(10):
        await office.request_from(new_uuid7(), me, f"친구{number}")
        await office.settled()
        office.advance(60)
    assert len(office.google.accepted) == 6
    await office.later(45 * 60)
    assert len(office.google.accepted) == 6
    await office.later(6 * 60)
    await office.pushed(7)
    assert bodies(office)[-1] == "친구9 외 3명이 친구 요청을 보냈어요."
    assert len(await office.inbox(me)) == 10


@pytest.mark.requirement("DLV-10")
async def test_requests_to_join_many_groups_ring_no_more_often_than_to_one(office: Office) -> None:
    me, groups = new_uuid7(), [str(new_uuid7()) for _ in range(4)]
    await office.register(me)
    for number in range(8):
        asked = {"group_id": groups[number % 4], "group_name": "한강", "told_user_ids": [str(me)]}
        asking = {**asked, "requester": profile(new_uuid7(), f"친구{number}")}
        await office.tell(event(office.clock.now(), group_join_requested=asking))
        await office.settled()
        office.advance(60)
    assert len(office.google.accepted) == 6
    await office.later(60 * 60)
    await office.pushed(8)
    assert len(await office.inbox(me)) == 8
