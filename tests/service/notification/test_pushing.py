"""From an event to a phone's screen: when, with which others, and whether at all."""

from datetime import timedelta
from itertools import pairwise

import pytest

from firewalker.emulator.ledger import digest
from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.grpc.faults import ServiceUnavailable
from tests.service.notification.conftest import Office, event, profile
from tests.service.notification.telling import bodies, day, lives_in, overtake


async def test_a_friend_request_reaches_every_device_in_the_users_language(office: Office) -> None:
    me, asker = new_uuid7(), new_uuid7()
    await office.register(me, "phone", platform=1)
    await office.register(me, "tablet", platform=2)
    await office.register(me, "browser", platform=3, fid="a-firebase-id")
    told = await office.request_from(asker, me)
    records = await office.pushed(3)
    assert {record.nid for record in records} == {told.event_id}
    assert {record.tag for record in records} == {told.event_id}
    assert bodies(office) == ["지수님이 친구 요청을 보냈어요."] * 3
    assert {shown.platform for shown in office.google.fcm.screen.shown} == {"android", "ios", "web"}
    await office.settled()
    assert await office.outcomes(me) == ["pushed"]
    assert await office.sql("SELECT COUNT(*) FROM delivery") == [(0,)]


@pytest.mark.requirement("FCM-21", "PRIV-08")
async def test_who_wants_it_so_is_pushed_nothing_but_that_there_is_something(office: Office) -> None:
    me, friend = new_uuid7(), new_uuid7()
    for number, platform in enumerate(("phone", "tablet", "browser"), 1):
        await office.register(me, platform, platform=number)
    changed = await office.call("UpdatePreferences", me, preferences={"push_text": "BARE", "locale": "ko"})
    assert changed.preferences.push_text == changed.preferences.BARE
    await office.request_from(friend, me, "secret-nickname")
    await overtake(office, friend, me, "secret-nickname")
    await office.pushed(6)
    assert set(bodies(office)) == {"새로운 소식이 있어요."}
    for shown in office.google.fcm.screen.shown:
        assert set(shown.data) == {"nid"}
    assert all("OVERTAKEN" not in record.tag for record in office.google.records)
    assert len({record.tag for record in office.google.records}) == 2
    back = await office.call("UpdatePreferences", me, preferences={"push_text": "FULL"})
    assert back.preferences.push_text == back.preferences.FULL
    office.advance(15 * 60)
    await office.request_from(new_uuid7(), me, "민준")
    await office.pushed(9)
    assert bodies(office)[-1].startswith("민준님이")


async def test_quiet_hours_defer_and_fold_and_nothing_stale_is_sent_later(office: Office) -> None:
    me, friend = new_uuid7(), new_uuid7()
    await office.register(me)
    await lives_in(office, me, "Asia/Seoul")  # where it is 21:00
    await office.later(2 * 3600)
    for number in range(3):
        await office.request_from(new_uuid7(), me, f"친구{number}")
        office.advance(60)
    await overtake(office, friend, me)
    await office.tell(event(office.clock.now(), security_noticed={"user_id": str(me), "kind": 1}))
    await office.pushed(1)
    assert bodies(office) == ["새 기기에서 로그인했어요. 본인이 아니라면 비밀번호를 바꿔 주세요."]
    await office.later(8 * 3600)
    assert len(office.google.accepted) == 1
    await office.later(3600)
    await office.pushed(2)
    assert bodies(office)[1:] == ["친구2 외 2명이 친구 요청을 보냈어요."]
    assert len(office.google.accepted) == 2
    assert len(await office.inbox(me)) == 5


@pytest.mark.requirement("DLV-08")
async def test_two_friends_who_overtake_each_other_all_day_get_six_pushes_each(office: Office) -> None:
    one, other = new_uuid7(), new_uuid7()
    await office.register(one, "one")
    await office.register(other, "other")
    for _ in range(4 * 4):  # four hours in quarters; nearly 100 an hour
        for _ in range(12):
            await overtake(office, other, one)
            await overtake(office, one, other)
        await office.later(15 * 60)
    for phone in ("one", "other"):
        mine = [record for record in office.google.accepted if record.target == digest(f"token-of-{phone}")]
        assert 1 <= len(mine) <= 6
        assert all(later.time - earlier.time >= 15 * 60 for earlier, later in pairwise(mine))
    for shown in office.google.fcm.screen.shown:
        assert shown.times <= 6


@pytest.mark.requirement("DLV-08")
async def test_who_is_passed_by_somebody_every_quarter_of_an_hour_is_told_six_times_a_day(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    for _ in range(10):
        await overtake(office, new_uuid7(), me)
        await office.settled()
        await office.later(15 * 60 + 1)
    assert len(office.google.accepted) == 6
    assert (await office.outcomes(me)).count("capped") == 4
    assert len(await office.inbox(me)) == 10


@pytest.mark.requirement("DLV-08", "DLV-13")
async def test_many_who_pass_within_a_quarter_of_an_hour_are_one_push(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    await overtake(office, new_uuid7(), me, "민준")
    await office.pushed(1)
    for name in ("서연", "도윤", "지수"):
        office.advance(1)
        await overtake(office, new_uuid7(), me, name)
    await office.later(10 * 60)
    assert len(office.google.accepted) == 1
    await office.later(5 * 60)
    await office.pushed(2)
    (shown,) = office.google.fcm.screen.shown
    assert shown.body.startswith("지수 외 2명이 앞질렀어요")
    assert shown.times == 2


async def test_what_does_not_hold_any_more_is_not_pushed(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    office.standings.leads = False
    await overtake(office, new_uuid7(), me)
    office.graph.bond = {"friends": True, "subject_asks": True}
    await office.request_from(new_uuid7(), me)
    office.standings.rank = 2
    await office.tell(event(office.clock.now(), first_place_taken={"user_id": str(me), "date": day(office)}))
    await office.settled()
    assert await office.outcomes(me) == ["moot"] * 3
    assert office.google.records == []
    assert len(await office.inbox(me)) == 3


async def test_what_nobody_answers_waits_if_it_is_of_people_and_is_never_said_of_standings(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    office.graph.fault = office.standings.fault = ServiceUnavailable()
    await office.request_from(new_uuid7(), me)
    await overtake(office, new_uuid7(), me)
    for _ in range(3):
        await office.later(31)
        assert office.google.records == []
    await office.later(60)
    await office.pushed(1)
    for _ in range(5):
        await office.later(400)
    assert len(office.google.accepted) == 1
    assert sorted(map(str, await office.outcomes(me))) == ["expired", "pushed"]


async def test_what_is_for_the_inbox_alone_is_not_pushed(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    await office.call("UpdatePreferences", me, preferences={"channels": {"overtaken": "INBOX"}})
    await overtake(office, new_uuid7(), me)
    await office.request_from(new_uuid7(), me)
    await office.pushed(1)
    assert await office.sql("SELECT type FROM push") == [("FRIEND_REQUEST",)]
    assert len(await office.inbox(me)) == 2


async def test_what_was_read_or_is_unwanted_by_then_is_not_pushed(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    await lives_in(office, me, "Asia/Seoul")
    await office.later(2 * 3600)
    await office.request_from(new_uuid7(), me)
    cheer = {"sender": profile(new_uuid7()), "receiver_id": str(me), "kind": "CLAP"}
    await office.tell(event(office.clock.now() + timedelta(seconds=1), cheer_sent=cheer))
    (requested,) = [n for n in await office.inbox(me) if n.type == n.FRIEND_REQUEST]
    await office.call("MarkRead", me, notification_ids=[requested.notification_id])
    await office.call("UpdatePreferences", me, preferences={"channels": {"cheer": "INBOX"}})
    await office.later(9 * 3600)
    assert await office.outcomes(me) == ["read", "unwanted"]
    assert office.google.records == []


async def test_whom_quiet_hours_no_longer_hold_is_pushed_at_once(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    await lives_in(office, me, "Asia/Seoul")
    await office.later(2 * 3600)
    await office.request_from(new_uuid7(), me)
    await office.call("UpdatePreferences", me, preferences={"quiet_hours": {"start": "07:00", "end": "07:00"}})
    await office.pushed(1)


@pytest.mark.requirement("DLV-13")
async def test_an_older_state_never_follows_a_newer_one(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    office.google.fcm.script.load({"targets": {"token-of-phone": ["503:1200", "ok"]}})
    await overtake(office, new_uuid7(), me, "먼저")
    await office.settled()
    office.advance(15 * 60)
    await overtake(office, new_uuid7(), me, "나중")
    office.wake()
    await office.pushed(1)
    for _ in range(4):
        await office.later(600)
    assert len(office.google.accepted) == 1
    assert bodies(office)[0].startswith("나중님이")
