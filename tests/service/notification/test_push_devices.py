"""On which devices: those whose sessions live, and not the one that did it."""

from datetime import datetime

import pytest

from firewalker.emulator.ledger import digest
from firewalker.kernel.ids import SessionId, new_uuid7
from firewalker.runtime.revocation import Revocation, RevocationFeed
from tests.service.notification.conftest import Office, event
from tests.service.notification.telling import bodies
from tests.support.waiting import until


@pytest.mark.requirement("FCM-14")
async def test_who_has_signed_out_is_not_pushed_to_and_who_signed_in_is(office: Office) -> None:
    ann, bo = new_uuid7(), new_uuid7()
    session = str(new_uuid7())
    await office.register(ann, "phone", token="the-shared-phone", claims={"sid": session})
    office.google.fcm.script.load({"targets": {"the-shared-phone": ["503", "ok"]}})
    await office.request_from(new_uuid7(), ann, "for ann")
    await office.settled()
    ended = {"user_id": str(ann), "session_id": session, "installation_id": "phone"}
    await office.tell(event(office.clock.now(), session_ended=ended))
    await office.register(bo, "phone", token="the-shared-phone")
    await office.request_from(new_uuid7(), bo, "for bo")
    await office.pushed(1)
    await office.later(300)
    assert bodies(office) == ["for bo님이 친구 요청을 보냈어요."]


@pytest.mark.requirement("FCM-14")
async def test_a_session_that_this_process_heard_the_end_of_is_not_pushed_to(office: Office) -> None:
    me, gone, here = new_uuid7(), SessionId(new_uuid7()), SessionId(new_uuid7())
    await office.register(me, "left", claims={"sid": str(gone)})
    await office.register(me, "kept", claims={"sid": str(here)})

    ended = Revocation(session_id=gone, time=office.clock.now())

    async def replay(_: datetime) -> list[Revocation]:
        return [ended]  # MySQL knows, for when Redis is too slow to be told

    # Before the fact itself arrives: what another process of the user service announces reaches everybody.
    # By Redis's own time it is any hour of the day.
    async with RevocationFeed(office.redis_url, replay) as feed:
        await feed.publish([ended])
        await until(lambda: office.heard_of_the_end(gone), 60)
        await office.request_from(new_uuid7(), me)
        await office.pushed(1)
        await office.settled()
    assert [record.target for record in office.google.records] == [digest("token-of-kept")]
    assert await office.sql("SELECT installation_id FROM device") == [("kept",)]


async def test_a_sign_in_is_told_to_the_other_devices(office: Office) -> None:
    me, session = new_uuid7(), str(new_uuid7())
    await office.register(me, "new", claims={"sid": session})
    await office.register(me, "old", claims={"sid": str(new_uuid7())})
    noticed = {"user_id": str(me), "kind": 1, "device_name": "Pixel 9", "session_id": session}
    await office.tell(event(office.clock.now(), security_noticed=noticed))
    await office.pushed(1)
    await office.settled()
    assert bodies(office) == ["Pixel 9에서 로그인했어요. 본인이 아니라면 비밀번호를 바꿔 주세요."]


@pytest.mark.parametrize("by_mail", [False, True])
async def test_of_another_password_the_inbox_tells_and_no_device_that_was_signed_out(
    office: Office,
    by_mail: bool,  # noqa: FBT001 - a column
) -> None:
    me, here, there = new_uuid7(), str(new_uuid7()), str(new_uuid7())
    await office.register(me, "here", claims={"sid": here})
    await office.register(me, "there", claims={"sid": there})
    at, changed = office.clock.now(), {"user_id": str(me), "kind": 2, "session_id": "" if by_mail else here}
    ended = [
        event(at, session_ended={"user_id": str(me), "session_id": session, "installation_id": name})
        for session, name in ([(here, "here")] if by_mail else []) + [(there, "there")]
    ]
    await office.tell(event(at, security_noticed=changed), *ended)
    await office.settled()
    assert await office.outcomes(me) == ["no_device"]
    assert office.google.records == []
    (told,) = await office.inbox(me)
    assert told.body == "비밀번호가 변경되었어요. 본인이 아니라면 바로 재설정해 주세요."
