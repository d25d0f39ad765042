"""From an event to a phone's screen: when, with which others, on which devices, and whether at all."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from firewalker.emulator.ledger import digest
from firewalker.kernel.ids import SessionId, new_uuid7
from firewalker.notification.measures import Measures
from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.personal_data import Erasure
from firewalker.runtime.revocation import Revocation, RevocationFeed
from tests.service.notification.conftest import Office, event, profile
from tests.support.waiting import until


def day(office: Office) -> str:
    return f"{office.clock.now():%Y-%m-%d}"


async def overtake(office: Office, overtaker: UUID, overtaken: UUID, nickname: str = "지수") -> None:
    fact = {"overtaker": profile(overtaker, nickname), "overtaken_id": str(overtaken), "date": day(office)}
    await office.tell(event(office.clock.now(), overtaken=fact))


def bodies(office: Office) -> list[str]:
    return [shown.body for shown in office.google.fcm.screen.shown]


async def lives_in(office: Office, user: UUID, zone: str) -> None:
    fact = {"profile": profile(user), "time_zone": zone}
    await office.tell(event(office.clock.now(), user_signed_up=fact))


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


async def test_whom_quiet_hours_no_longer_hold_is_pushed_at_once(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    await lives_in(office, me, "Asia/Seoul")
    await office.later(2 * 3600)
    await office.request_from(new_uuid7(), me)
    await office.call("UpdatePreferences", me, preferences={"quiet_hours": {"start": "07:00", "end": "07:00"}})
    await office.pushed(1)


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


def counted(kind: str, outcome: str, of: str = "firewalker_deliveries_total") -> float:
    return REGISTRY.get_sample_value(of, {"type": kind, "outcome": outcome}) or 0.0


@pytest.mark.requirement("DLV-12")
async def test_while_fcm_is_a_black_hole_what_counts_waits_and_the_rest_is_dropped_and_counted(office: Office) -> None:
    crowd = [new_uuid7() for _ in range(4)]
    for number, user in enumerate(crowd):
        await office.register(user, f"phone {number}", token=f"token-number-{number}")
    before = counted("OVERTAKEN", "expired")
    office.google.fcm.script.load({"every": [{"n": 1, "do": "close"}]})
    for user in crowd:
        await office.request_from(new_uuid7(), user)
        await overtake(office, new_uuid7(), user)
    for _ in range(8):
        await office.later(5 * 60)
    assert office.google.accepted == []
    office.google.fcm.script.load({"every": []})
    for _ in range(8):
        await office.later(5 * 60)
    await office.mended(4)
    assert [shown.title for shown in office.google.fcm.screen.shown] == ["친구 요청"] * 4
    assert counted("OVERTAKEN", "expired") - before == 4


@pytest.mark.requirement("DLV-12")
async def test_where_too_much_waits_standings_are_dropped_and_counted_and_people_are_not(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.notification.measures.MOST_STANDINGS", 4)
    crowd = [new_uuid7() for _ in range(6)]
    for number, user in enumerate(crowd):
        await office.register(user, f"phone {number}", token=f"token-number-{number}")
    (measures,) = [part for part in office.service.app.parts if isinstance(part, Measures)]
    before = counted("OVERTAKEN", "crowded", "firewalker_pushes_planned_total")
    office.google.fcm.script.load({"every": [{"n": 1, "do": "503:60"}]})
    for user in crowd[:5]:
        await overtake(office, new_uuid7(), user)
    await office.settled()
    await office.sql("UPDATE delivery SET due_time = create_time, lease_until = UTC_TIMESTAMP(3) + INTERVAL 1 DAY")
    await measures.look()
    await overtake(office, new_uuid7(), crowd[5])
    await office.request_from(new_uuid7(), crowd[5])
    await office.planned()
    assert sorted(map(str, await office.outcomes(crowd[5]))) == ["crowded", "pushed"]
    assert counted("OVERTAKEN", "crowded", "firewalker_pushes_planned_total") - before == 1


@pytest.mark.requirement("DLV-11")
async def test_a_backlog_of_standings_does_not_hold_up_people(office: Office) -> None:
    me, crowd = new_uuid7(), [new_uuid7() for _ in range(80)]
    await office.register(me, "mine")
    office.google.fcm.script.load({"denied": True})
    for number, user in enumerate(crowd):
        await office.register(user, f"phone {number}", token=f"token-number-{number}")
    now = office.clock.now()
    facts: list[Any] = [{"walker": profile(user), "date": day(office), "daily_steps": 1} for user in crowd]
    for start in range(0, len(facts), 100):
        await office.tell(*(event(now, goal_reached=fact) for fact in facts[start : start + 100]))
    told = await office.request_from(new_uuid7(), me)
    await office.planned()
    office.google.fcm.script.load({"denied": False})
    await office.mended(81)
    assert [record.nid for record in office.google.accepted].index(told.event_id) < 70
