"""A message that tells of several people while it waits for FCM: what takes one of them back keeps nobody from hearing of the others."""

from typing import Any
from uuid import UUID

import pytest

from firewalker.gen.pb.firewalker.user import v1 as user_pb
from firewalker.kernel.ids import new_uuid7
from tests.service.notification.conftest import Graph, Office, event, profile

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


def bodies(office: Office) -> list[str]:
    return [shown.body for shown in office.google.fcm.screen.shown]


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
