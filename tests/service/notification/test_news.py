"""Events become notifications, and take them back: all types, repeats, preferences, erasure."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.mysql.literals import fill
from firewalker.runtime.personal_data import Erasure
from tests.service.notification.conftest import Post, event, profile
from tests.support.databases import run_on

DAY = "2026-05-20"
GROUP = str(new_uuid7())


def every_fact(me: UUID, other: UUID) -> dict[str, tuple[str, dict[str, Any]]]:
    """A fact for each type that is told *me*, by *other* where there is another."""
    mine, theirs = profile(me, "Ann"), profile(other)
    group = {"group_id": GROUP, "group_name": "한강"}
    return {
        "FRIEND_REQUEST": ("friend_requested", {"requester": theirs, "addressee_id": str(me)}),
        "FRIEND_ACCEPTED": ("friendship_accepted", {"accepter": theirs, "requester": mine}),
        "OVERTAKEN": ("overtaken", {"overtaker": theirs, "overtaken_id": str(me), "date": DAY}),
        "TOOK_FIRST_PLACE": ("first_place_taken", {"user_id": str(me), "date": DAY}),
        "GOAL_REACHED": ("goal_reached", {"walker": mine, "date": DAY, "daily_steps": 8000}),
        "FRIEND_GOAL_REACHED": ("goal_reached", {"walker": theirs, "date": DAY, "told_user_ids": [str(me)]}),
        "GROUP_JOIN_REQUEST": ("group_join_requested", {**group, "requester": theirs, "told_user_ids": [str(me)]}),
        "GROUP_JOINED": ("group_member_joined", {**group, "member": theirs, "told_user_ids": [str(me)]}),
        "CHEER": ("cheer_sent", {"sender": theirs, "receiver_id": str(me), "kind": "CLAP"}),
        "DAY_RESULT": ("day_result", {"user_id": str(me), "date": DAY, "steps": 8432, "rank": 2, "ranked": 5}),
        "SECURITY": ("security_noticed", {"user_id": str(me), "kind": 1, "device_name": "Pixel"}),
    }


async def test_every_type_of_the_contract_lands_in_the_inbox_in_both_languages(post: Post) -> None:
    me, other = new_uuid7(), new_uuid7()
    facts = every_fact(me, other)
    await post.tell(*(event(post.clock.now(), **{name: fact}) for name, fact in facts.values()))
    shown = {}
    for locale in ("ko", "en"):
        await post.call("UpdatePreferences", me, preferences={"locale": locale})
        found = await post.inbox(me)
        assert sorted(n.Type.Name(n.type) for n in found) == sorted(facts)
        shown[locale] = {n.Type.Name(n.type): n.body for n in found}
    assert shown["ko"]["OVERTAKEN"] == "지수님이 앞질렀어요. 다시 걸어 볼까요?"
    assert shown["ko"]["GROUP_JOINED"] == "지수님이 한강과 함께해요."
    assert shown["en"]["DAY_RESULT"] == "You walked 8,432 steps and came 2nd of 5."
    assert "Pixel" in shown["en"]["SECURITY"]


async def test_of_two_with_one_cause_the_first_is_told(post: Post) -> None:
    me, other = new_uuid7(), new_uuid7()
    facts = every_fact(me, other)
    twice = [event(post.clock.now(), **{name: fact}) for name, fact in facts.values() for _ in range(2)]
    await post.tell(*twice)
    types = [n.Type.Name(n.type) for n in await post.inbox(me)]
    # Two cheers are two, and two things about an account too; of everything else there is one a day, or in two hours.
    assert sorted(types) == sorted([*facts, "CHEER", "SECURITY"])


async def test_a_withdrawn_request_is_gone_and_an_accepted_one_stays(post: Post) -> None:
    me, fickle, true = new_uuid7(), new_uuid7(), new_uuid7()
    await post.request_from(fickle, me)
    await post.request_from(true, me)
    withdrawn = {"requester_id": str(fickle), "addressee_id": str(me)}
    accepted = {"accepter": profile(me, "Ann"), "requester": profile(true)}
    now = post.clock.now()
    await post.tell(event(now, friend_request_withdrawn=withdrawn), event(now, friendship_accepted=accepted))
    assert [n.params["user_id"] for n in await post.inbox(me)] == [str(true)]
    assert len(await post.inbox(true)) == 1


async def test_friends_who_part_and_ask_again_the_same_day_are_told_again(post: Post) -> None:
    me, other = new_uuid7(), new_uuid7()
    now = post.clock.now()
    accepted = {"accepter": profile(me, "Ann"), "requester": profile(other)}
    for _ in range(2):
        await post.request_from(other, me)
        await post.tell(event(now, friendship_accepted=accepted))
        await post.tell(event(now, friendship_ended={"user_id": str(other), "friend_id": str(me)}))
    await post.request_from(other, me)
    assert [n.Type.Name(n.type) for n in await post.inbox(me)] == ["FRIEND_REQUEST"] * 3
    assert [n.Type.Name(n.type) for n in await post.inbox(other)] == ["FRIEND_ACCEPTED"] * 2


@pytest.mark.requirement("PRIV-02")
async def test_a_block_hides_both_from_each_other(post: Post) -> None:
    one, other, third = new_uuid7(), new_uuid7(), new_uuid7()
    for asker, asked in ((one, other), (other, one), (third, one)):
        await post.request_from(asker, asked)
    blocked = {"blocker_id": str(one), "blocked_id": str(other)}
    await post.tell(event(post.clock.now(), user_blocked=blocked))
    assert [n.params["user_id"] for n in await post.inbox(one)] == [str(third)]
    assert await post.inbox(other) == []


async def given_up(post: Post, user: UUID, actor: UUID | None) -> None:
    """A delivery that is kept for people to look at."""
    dead = """
        INSERT INTO delivery (delivery_id, user_id, notification_id, installation_id, platform, type, lane, actor_id, params,
          fold_key, content, state, check_time, due_time, expire_time, create_time)
        VALUES (%(id)s, %(user)s, %(id)s, 'phone', 'ANDROID', 'CHEER', 2, %(actor)s, %(params)s,
          '', '{}', 'DEAD', %(at)s, %(at)s, %(at)s, %(at)s)
    """
    values = {"id": new_uuid7(), "user": user, "actor": actor, "at": post.clock.now()}
    await run_on(post.mysql_url, fill(dead, values | {"params": json.dumps({"user_id": str(actor)})}))


async def rows_of(post: Post, table: str, user: UUID) -> list[tuple[object, ...]]:
    rows = await post.sql(f"SELECT * FROM {table}")  # noqa: S608
    return [row for row in rows if user.bytes in row or str(user) in json.dumps(row, default=str)]


@pytest.mark.requirement("PRIV-06")
async def test_who_is_deleted_is_shown_to_nobody_though_there_is_too_much_of_them_to_be_erased_at_once(
    post: Post,
) -> None:
    gone, friend, stays = new_uuid7(), new_uuid7(), new_uuid7()
    (erasure,) = [part for part in post.service.app.parts if isinstance(part, Erasure)]
    await erasure.stop()  # as if it had thousands to do before
    await post.tell(*(event(post.clock.now(), **{name: fact}) for name, fact in every_fact(friend, gone).values()))
    about_nobody = {n.notification_id for n in await post.inbox(friend) if not n.params["user_id"]}
    kept = await post.request_from(stays, friend)
    deleted = event(post.clock.now(), user_deleted={"user_id": str(gone)})
    for _ in range(2):  # and what comes late is told nobody
        await post.tell(deleted, event(post.clock.now(), **dict([every_fact(friend, gone)["CHEER"]])))
    shown = await post.call("ListNotifications", friend)
    assert {n.notification_id for n in shown.notifications} == {kept.event_id, *about_nobody}
    assert len(await rows_of(post, "notification", gone)) > 5
    ((before,),) = await post.sql("SELECT revision FROM recipient WHERE user_id = %s", friend.bytes)
    stream = post.watch(friend)
    async with asyncio.timeout(60):
        assert (await stream.read()).unread_count > len(shown.notifications)
        await erasure.round()
        while (await stream.read()).unread_count > len(shown.notifications):
            pass  # a heartbeat
    stream.cancel()
    ((more,),) = await post.sql("SELECT revision - %s FROM recipient WHERE user_id = %s", before, friend.bytes)
    assert more == 1
    assert (await post.call("ListNotifications", friend)).unread_count == len(shown.notifications)
    for table in ("notification", "push", "delivery"):
        assert await rows_of(post, table, gone) == []


@pytest.mark.requirement("PRIV-06")
async def test_an_erased_account_leaves_nothing_and_does_not_come_back(post: Post) -> None:
    gone, friend = new_uuid7(), new_uuid7()
    await post.register(gone)
    await post.call("UpdatePreferences", gone, preferences={"locale": "ko"})
    facts = [*every_fact(gone, friend).values(), *every_fact(friend, gone).values()]
    events = [event(post.clock.now(), **{name: fact}) for name, fact in facts]
    for user, actor in ((gone, friend), (friend, gone), (friend, None)):
        await given_up(post, user, actor)
    await post.tell(*events[:-2], event(post.clock.now(), user_deleted={"user_id": str(gone)}))
    late = every_fact(gone, friend)["CHEER"], every_fact(friend, gone)["CHEER"]
    await post.tell(*(event(post.clock.now(), **{name: fact}) for name, fact in late))
    await post.tell(event(post.clock.now(), user_signed_up={"profile": profile(gone), "time_zone": "Asia/Seoul"}))
    async with asyncio.timeout(60):
        for table in ("notification", "push", "delivery", "device"):
            while await rows_of(post, table, gone):  # noqa: ASYNC110 - MySQL tells no event
                await asyncio.sleep(0.02)
    assert len(await rows_of(post, "recipient", gone)) == 1
    assert await post.sql("SELECT user_id, actor_id FROM delivery") == [(friend.bytes, None)]
    assert await post.sql("SELECT time_zone, locale FROM recipient WHERE user_id = %s", gone.bytes) == [("UTC", None)]
    assert {n.Type.Name(n.type) for n in await post.inbox(friend)}.isdisjoint({"CHEER", "FRIEND_REQUEST"})


async def test_what_is_off_is_told_nowhere(post: Post) -> None:
    me, other = new_uuid7(), new_uuid7()
    await post.call("UpdatePreferences", me, preferences={"channels": {"cheer": "OFF", "overtaken": "INBOX"}})
    facts = every_fact(me, other)
    names = ("CHEER", "OVERTAKEN", "FRIEND_REQUEST")
    await post.tell(*(event(post.clock.now(), **{facts[name][0]: facts[name][1]}) for name in names))
    assert {n.Type.Name(n.type) for n in await post.inbox(me)} == {"OVERTAKEN", "FRIEND_REQUEST"}


async def test_preferences_start_as_the_contract_says_and_change_by_mask(post: Post) -> None:
    me = new_uuid7()
    first = (await post.call("GetPreferences", me)).preferences
    assert (first.quiet_hours.start, first.quiet_hours.end, first.locale) == ("22:00", "08:00", "en")
    assert first.channels.cheer == first.PUSH
    wanted = {"channels": {"cheer": "INBOX"}, "quiet_hours": {"start": "23:30", "end": "07:00"}, "locale": "ko"}
    masked = await post.call(
        "UpdatePreferences", me, preferences=wanted, update_mask={"paths": ["quiet_hours.start", "channels"]}
    )
    changed = masked.preferences
    assert (changed.quiet_hours.start, changed.quiet_hours.end, changed.locale) == ("23:30", "08:00", "en")
    assert changed.channels.cheer == changed.INBOX
    assert (await post.call("GetPreferences", me)).preferences == changed
    whole = (await post.call("UpdatePreferences", me, preferences={"locale": "ko"})).preferences
    assert (whole.locale, whole.quiet_hours.start) == ("ko", "23:30")
    star = {"paths": ["*"]}
    replaced = (await post.call("UpdatePreferences", me, preferences={"locale": "en"}, update_mask=star)).preferences
    assert (replaced.locale, replaced.quiet_hours.start, replaced.channels.cheer) == ("en", "22:00", replaced.PUSH)


NONSENSE: list[tuple[Any, list[str]]] = [
    ({"quiet_hours": {"start": "24:00"}}, []),
    ({"quiet_hours": {"end": "7:00"}}, []),
    ({"locale": "fr"}, []),
    ({"channels": {"security": "OFF"}}, []),
    ({"channels": {"cheer": 9}}, []),
    ({"push_text": 7}, []),
    ({"locale": "ko"}, ["nickname"]),
]


async def test_preferences_that_make_no_sense_are_refused(post: Post) -> None:
    me = new_uuid7()
    for preferences, paths in NONSENSE:
        fields = {"preferences": preferences, "update_mask": {"paths": paths}}
        assert await post.refused("UpdatePreferences", me, **fields) == "INVALID_REQUEST", fields
    assert (await post.call("GetPreferences", me)).preferences.locale == "en"


async def test_reading_some_or_all_lowers_the_count_and_cannot_touch_others(post: Post) -> None:
    me, stranger = new_uuid7(), new_uuid7()
    start = post.clock.now()
    told = [await post.request_from(new_uuid7(), me, at=start + timedelta(seconds=n)) for n in range(5)]
    ids = [e.event_id for e in told]
    assert (await post.call("MarkRead", stranger, notification_ids=ids)).unread_count == 0
    assert (await post.call("MarkRead", me, notification_ids=[ids[0], ids[0], str(new_uuid7())])).unread_count == 4
    assert (await post.call("MarkRead", me, all_before_time=told[2].create_time)).unread_count == 2
    unread = await post.call("ListNotifications", me, unread_only=True)
    assert {n.notification_id for n in unread.notifications} == set(ids[3:])
    assert [n.HasField("read_time") for n in await post.inbox(me)] == [False, False, True, True, True]
    for fields in ({}, {"notification_ids": ["x"]}, {"notification_ids": ids, "all_before_time": told[0].create_time}):
        assert await post.refused("MarkRead", me, **fields) == "INVALID_REQUEST"


async def test_old_notifications_are_forgotten(post: Post) -> None:
    me = new_uuid7()
    now = post.clock.now()
    await post.request_from(new_uuid7(), me, at=now - timedelta(days=91))
    fresh = await post.request_from(new_uuid7(), me, at=now - timedelta(days=89))
    (chore,) = [part for part in post.service.app.parts if getattr(part, "_name", "") == "forget old notifications"]
    assert await chore._work() == 1  # type: ignore[attr-defined]
    assert await chore._work() == 0  # type: ignore[attr-defined]
    assert [n.notification_id for n in await post.inbox(me)] == [fresh.event_id]
