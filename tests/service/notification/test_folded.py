"""A message that tells of several people while it waits for FCM: what takes one of them back keeps nobody from hearing of the others."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from firewalker.gen.pb.firewalker.user import v1 as user_pb
from firewalker.kernel.ids import new_uuid7
from firewalker.notification.domain.delivery import Delivery
from firewalker.notification.domain.facts import Fact
from firewalker.notification.usecases.news import News
from firewalker.notification.usecases.queue import Queue
from firewalker.runtime.mysql import Transaction
from tests.service.notification.conftest import Graph, Office, event, profile
from tests.service.notification.telling import bodies, overtake
from tests.support.waiting import until_true

WANTS = "{}님이 친구 요청을 보냈어요."
JOINS = "{}님이 한강을 함께하고 싶어 해요."
LONGEST_PAUSE = 800
"""Where FCM asks for 600 seconds."""

GROUP = {"group_id": str(new_uuid7()), "group_name": "한강"}


async def wants_to_join(office: Office, asker: UUID, nickname: str, *told: UUID) -> None:
    asking = {"requester": profile(asker, nickname), "told_user_ids": [str(user) for user in told]}
    await office.tell(event(office.clock.now(), group_join_requested={**GROUP, **asking}))


async def closed(office: Office, asker: UUID, *told: UUID, accepted: bool = True) -> None:
    closing = {"group_id": GROUP["group_id"], "requester_id": str(asker), "told_user_ids": [str(user) for user in told]}
    await office.tell(event(office.clock.now(), group_join_request_closed={**closing, "accepted": accepted}))


async def night(office: Office, *users: UUID) -> None:
    """It is 23:00 where *users* live, so that what they are told is folded until the morning."""
    for user in users:
        await office.register(user, f"phone-of-{user}")
        lives = {"profile": profile(user), "time_zone": "Asia/Seoul"}
        await office.tell(event(office.clock.now(), user_signed_up=lives))
    await office.later(2 * 3600)


async def morning(office: Office) -> None:
    """What was folded is one message, and waits for FCM."""
    office.google.fcm.script.load({"every": [{"n": 1, "do": "503:600"}]})
    await office.later(9 * 3600)
    assert await office.sql("SELECT attempts FROM delivery") == [(1,)]
    office.google.fcm.script.load({"every": []})


async def test_of_those_who_ask_to_join_who_still_waits_is_told_of(office: Office) -> None:
    me, first, second, third = (new_uuid7() for _ in range(4))
    await night(office, me)
    for asker, nickname in ((first, "하나"), (second, "두리"), (third, "세나")):
        office.advance(1)
        await wants_to_join(office, asker, nickname, me)
    await morning(office)
    await closed(office, third, me)
    await closed(office, first, me)
    await office.later(1)
    await office.later(LONGEST_PAUSE)
    await office.pushed(1)
    assert bodies(office) == [JOINS.format("두리")]


async def test_what_was_read_in_part_is_told_and_what_was_read_whole_is_not(office: Office) -> None:
    me = new_uuid7()
    await night(office, me)
    for nickname in ("하나", "두리"):
        office.advance(1)
        await office.request_from(new_uuid7(), me, nickname)
    await morning(office)
    newest, other = await office.inbox(me)
    await office.call("MarkRead", me, notification_ids=[newest.notification_id])
    office.google.fcm.script.load({"every": [{"n": 1, "do": "503:600"}]})
    await office.later(LONGEST_PAUSE)
    assert await office.sql("SELECT attempts FROM delivery") == [(2,)]  # it is sent
    office.google.fcm.script.load({"every": []})
    await office.call("MarkRead", me, notification_ids=[other.notification_id])
    await office.later(LONGEST_PAUSE)
    assert await office.sql("SELECT COUNT(*) FROM delivery") == [(0,)]
    assert bodies(office) == []


async def test_who_takes_a_request_back_or_is_found_not_to_ask_takes_nobody_elses_along(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, first, second, third = (new_uuid7() for _ in range(4))
    await night(office, me)
    for asker, nickname in ((first, "하나"), (second, "두리"), (third, "세나")):
        office.advance(1)
        await office.request_from(asker, me, nickname)
    await morning(office)
    back = {"requester_id": str(second), "addressee_id": str(me)}
    await office.tell(event(office.clock.now(), friend_request_withdrawn=back))
    real = Graph.check_bonds

    async def third_asks_no_more(graph: Graph, message: user_pb.CheckBondsRequest) -> Any:
        answer = await real(graph, message)
        for query, bond in zip(message.queries, answer.bonds, strict=True):
            bond.subject_asks = query.subject_id != str(third)
        return answer

    office.google.fcm.script.load({"every": [{"n": 1, "do": "503:600"}]})
    await office.later(1)
    (told,) = await office.sql("SELECT JSON_LENGTH(params, '$.folded') FROM delivery")
    assert told == (1,)
    monkeypatch.setattr(Graph, "check_bonds", third_asks_no_more)
    office.google.fcm.script.load({"every": []})
    await office.later(LONGEST_PAUSE)
    await office.later(1)
    await office.pushed(1)
    assert bodies(office) == [WANTS.format("하나")]


async def test_who_was_told_of_a_request_and_manages_no_more_is_not_told_after_its_end(office: Office) -> None:
    owner, former, asker = (new_uuid7() for _ in range(3))
    await night(office, owner, former)
    await wants_to_join(office, asker, "하나", owner, former)
    await closed(office, asker, owner, accepted=False)
    await office.later(9 * 3600)
    assert await office.outcomes(owner) == await office.outcomes(former) == ["withdrawn"]
    assert bodies(office) == []


@pytest.mark.requirement("PRIV-06")
@pytest.mark.parametrize("gone", [0, 1], ids=["counted", "leading"])
async def test_who_is_deleted_is_counted_in_no_message_and_takes_nobody_elses_along(office: Office, gone: int) -> None:
    me, askers = new_uuid7(), [new_uuid7(), new_uuid7()]
    await night(office, me)
    for asker, nickname in zip(askers, ("하나", "두리"), strict=True):
        office.advance(1)
        await office.request_from(asker, me, nickname)
    await morning(office)
    await office.tell(event(office.clock.now(), user_deleted={"user_id": str(askers[gone])}))
    await office.later(1)
    await office.later(LONGEST_PAUSE)
    await office.pushed(1)
    assert bodies(office) == [WANTS.format(("두리", "하나")[gone])]


async def test_what_a_deleted_person_led_is_planned_again_where_erasing_is_quicker_than_the_news(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, first, second = (new_uuid7() for _ in range(3))
    await night(office, me)
    for asker, nickname in ((first, "하나"), (second, "두리")):
        office.advance(1)
        await office.request_from(asker, me, nickname)
    await morning(office)
    take = News.take

    async def erased() -> bool:
        return not await office.sql("SELECT delivery_id FROM delivery WHERE actor_id = %s", second.bytes)

    async def late(news: News, facts: Sequence[Fact]) -> None:
        await until_true(erased)
        await take(news, facts)

    monkeypatch.setattr(News, "take", late)
    await office.tell(event(office.clock.now(), user_deleted={"user_id": str(second)}))
    await office.later(1)
    await office.later(LONGEST_PAUSE)
    await office.pushed(1)
    assert bodies(office) == [WANTS.format("하나")]


async def test_a_request_that_ends_while_a_message_with_it_is_taken_back_is_not_pushed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, first, second = (new_uuid7() for _ in range(3))
    await night(office, me)
    for asker, nickname in ((first, "하나"), (second, "두리")):
        office.advance(1)
        await wants_to_join(office, asker, nickname, me)
    await morning(office)
    check, plan = Graph.check_bonds, Queue._plan_the_rest_again
    planned, go_on = asyncio.Event(), asyncio.Event()

    async def second_is_blocked(graph: Graph, message: user_pb.CheckBondsRequest) -> Any:
        answer = await check(graph, message)
        for query, bond in zip(message.queries, answer.bonds, strict=True):
            bond.blocked = query.subject_id == str(second)
        return answer

    async def held(queue: Queue, tx: Transaction, delivery: Delivery) -> None:
        await plan(queue, tx, delivery)
        planned.set()
        await go_on.wait()

    monkeypatch.setattr(Graph, "check_bonds", second_is_blocked)
    monkeypatch.setattr(Queue, "_plan_the_rest_again", held)
    office.advance(LONGEST_PAUSE)
    office.wake()
    async with asyncio.timeout(60):
        await planned.wait()
    closing = asyncio.create_task(closed(office, first, me))
    await asyncio.sleep(0.3)  # it comes as far as it can
    go_on.set()
    await closing
    await office.later(60)
    assert bodies(office) == []
    assert await office.sql("SELECT COUNT(*) FROM push WHERE state = 'WAITING'") == [(0,)]


async def test_what_is_told_again_need_not_keep_away_from_what_was_never_sent(office: Office) -> None:
    me, walkers = new_uuid7(), [new_uuid7() for _ in range(3)]
    await office.register(me)
    await overtake(office, walkers[0], me, "민준")
    await office.pushed(1)
    for seconds, walker, nickname in ((1, walkers[1], "하나"), (60, walkers[2], "두리")):
        office.advance(seconds)
        await overtake(office, walker, me, nickname)
    office.google.fcm.script.load({"every": [{"n": 1, "do": "503:120"}]})
    await office.later(15 * 60)  # both are one message, which waits for FCM
    assert await office.sql("SELECT attempts FROM delivery") == [(1,)]
    office.google.fcm.script.load({"every": []})
    apart = {"user_id": str(me), "friend_id": str(walkers[2])}
    await office.tell(event(office.clock.now(), friendship_ended=apart))
    await office.pushed(2)
    assert "하나" in bodies(office)[-1]
