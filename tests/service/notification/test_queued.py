"""What waits to be sent follows its user, to the last moment: asleep, not wanting it any more, or having read it."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.pushes import Pushes
from firewalker.notification.usecases.backlog import Backlog
from firewalker.runtime.mysql import Database
from tests.service.notification.conftest import Graph, Office, event, profile
from tests.service.notification.telling import counted, lives_in
from tests.support.waiting import hold, until, until_true

REQUESTED = "지수님이 친구 요청을 보냈어요."
SECURED = "비밀번호가 변경되었어요. 본인이 아니라면 바로 재설정해 주세요."


async def join(office: Office, told: UUID) -> None:
    group = {"group_id": str(new_uuid7()), "group_name": "한강", "told_user_ids": [str(told)]}
    await office.tell(event(office.clock.now(), group_member_joined={"member": profile(new_uuid7()), **group}))


def bodies(office: Office) -> list[str]:
    return sorted(shown.body for shown in office.google.fcm.screen.shown)


@pytest.mark.requirement("DLV-09")
async def test_what_fcm_kept_until_the_night_waits_for_the_morning_and_so_does_what_is_queued_again(
    office: Office,
) -> None:
    me = new_uuid7()
    await office.register(me)
    await lives_in(office, me, "Asia/Seoul")  # where it is 21:00
    office.google.fcm.script.load({"every": [{"n": 1, "do": "503:3600"}]})
    await office.request_from(new_uuid7(), me)
    await join(office, me)
    await office.tell(event(office.clock.now(), security_noticed={"user_id": str(me), "kind": 2}))
    await office.settled()
    await office.sql("UPDATE delivery SET state = 'DEAD' WHERE type = 'GROUP_JOINED'")
    office.google.fcm.script.load({"every": []})
    morning = office.clock.now() + timedelta(hours=11)
    office.advance(2 * 3600)
    async with Database(office.mysql_url, pool_size=1) as database:
        assert await Backlog(database, office.clock, deliveries=Deliveries(), pushes=Pushes()).replay() == 1
    await office.later(1)
    await office.pushed(1)
    assert bodies(office) == [SECURED]
    waiting = await office.sql("SELECT type, due_time, attempts, last_error FROM delivery ORDER BY type")
    assert waiting == [
        ("FRIEND_REQUEST", morning, 1, "quiet_hours"),
        ("GROUP_JOINED", morning, 0, "quiet_hours"),
    ]
    # Whoever wants to be woken is.
    await office.call("UpdatePreferences", me, preferences={"channels": {"group_joined": "INBOX"}})
    await office.later(1)
    assert await office.sql("SELECT type, due_time FROM delivery") == [("FRIEND_REQUEST", morning)]
    none = {"start": "07:00", "end": "07:00"}
    await office.call("UpdatePreferences", me, preferences={"quiet_hours": none})
    await office.later(1)
    await office.pushed(2)
    assert bodies(office) == sorted([REQUESTED, SECURED])


@pytest.mark.requirement("DLV-09")
async def test_who_moves_to_where_it_is_day_is_told_at_once_what_waited_for_the_morning(office: Office) -> None:
    me = new_uuid7()
    await office.register(me)
    await lives_in(office, me, "Asia/Seoul")  # where it is 21:00
    office.google.fcm.script.load({"every": [{"n": 1, "do": "503:3600"}]})
    await office.request_from(new_uuid7(), me)
    await office.settled()
    office.google.fcm.script.load({"every": []})
    await office.later(2 * 3600)
    await join(office, me)
    await office.settled()
    waiting = "SELECT COUNT(*) FROM {} WHERE due_time > %s AND state IN ('WAITING', 'QUEUED')"
    assert [await office.sql(waiting.format(table), office.clock.now()) for table in ("delivery", "push")] == [
        [(1,)]
    ] * 2
    moved = {"user_id": str(me), "time_zone": "Europe/London"}
    await office.tell(event(office.clock.now(), time_zone_changed=moved))
    await office.pushed(2)
    assert bodies(office) == sorted([REQUESTED, "지수님이 한강과 함께해요."])


async def test_what_waits_to_be_sent_follows_new_wishes_and_what_was_read(office: Office) -> None:
    member, shy, reader, other = (new_uuid7() for _ in range(4))
    waits = {"member": "503:20", "shy": "503:20", "reader": "503:100", "other": "503:20"}
    for name, user in (("member", member), ("shy", shy), ("reader", reader), ("other", other)):
        await office.register(user, name)
    script = {f"token-of-{name}": [do, "ok"] for name, do in waits.items()}
    office.google.fcm.script.load({"targets": script, "latency_s": 0.3})
    await join(office, member)
    for user in (shy, reader, other):
        await office.request_from(new_uuid7(), user)
    # Some are mostly under way when it happens, and come back to the queue after it.
    await until_true(lambda: are_claimed(office, 4))
    unwanted, read = counted("GROUP_JOINED", "unwanted"), counted("FRIEND_REQUEST", "read")
    await office.call("UpdatePreferences", member, preferences={"channels": {"group_joined": "OFF"}})
    await office.call("UpdatePreferences", shy, preferences={"push_text": "BARE"})
    await office.call("MarkRead", reader, notification_ids=[n.notification_id for n in await office.inbox(reader)])
    await office.settled()
    assert office.google.accepted == []
    office.google.fcm.script.load({"latency_s": 0})
    await office.later(25)
    await office.pushed(2)
    await office.later(120)
    assert bodies(office) == sorted(["새로운 소식이 있어요.", REQUESTED])
    assert [set(shown.data) for shown in office.google.fcm.screen.shown if shown.body != REQUESTED] == [{"nid"}]
    assert len(office.google.accepted) == 2
    assert (counted("GROUP_JOINED", "unwanted") - unwanted, counted("FRIEND_REQUEST", "read") - read) == (1, 1)
    assert await office.sql("SELECT COUNT(*) FROM delivery") == [(0,)]


@pytest.mark.requirement("PRIV-08")
async def test_words_are_bare_once_that_is_acknowledged_also_where_a_message_was_just_taken_and_asked_about(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = new_uuid7()
    await office.register(me)
    office.google.fcm.script.load({"every": [{"n": 1, "do": "503:100"}]})
    await office.request_from(new_uuid7(), me)
    await office.settled()
    office.google.fcm.script.load({"every": []})
    asked, go = hold(monkeypatch, Graph, "check_bonds")
    office.advance(150)
    office.wake()
    async with asyncio.timeout(60):
        await asked.wait()
    await office.call("UpdatePreferences", me, preferences={"push_text": "BARE"})
    go.set()
    await until(lambda: office.google.fcm.screen.shown)
    assert bodies(office) == ["새로운 소식이 있어요."]


async def are_claimed(office: Office, count: int) -> bool:
    return await office.sql("SELECT COUNT(*) FROM delivery WHERE claims > 0") == [(count,)]
