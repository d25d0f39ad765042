"""A fact of one service becomes a notification of another: outbox, relay, inbox."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from firewalker.local.backend import Backend
from tests.system.people import FRIENDS, INBOX, TOLD_WITHIN_S, Person, Town, eventually
from tests.system.wire import as_dict


async def inbox(town: Town, person: Person) -> list[dict[str, Any]]:
    answer = await town.notification.unary(f"{INBOX}/ListNotifications", {}, person.token)
    listed: list[dict[str, Any]] = as_dict(answer)["notifications"]
    return listed


async def test_a_friend_request_and_its_acceptance_show_up_in_the_inboxes(town: Town, rest: httpx.AsyncClient) -> None:
    ann, bo = await town.person("Ann"), await town.person("Bo")
    await town.user.unary(f"{FRIENDS}/SendFriendRequest", {"userId": bo.user_id}, ann.token)
    (asked,) = await eventually(lambda: inbox(town, bo), TOLD_WITHIN_S)
    assert asked["type"] == "FRIEND_REQUEST"
    assert asked["params"]["nickname"] == ann.nickname
    assert asked["params"]["user_id"] == ann.user_id
    assert ann.nickname in asked["body"] + asked["title"]
    assert await inbox(town, ann) == []

    await town.user.unary(f"{FRIENDS}/AcceptFriendRequest", {"userId": ann.user_id}, bo.token)
    (accepted,) = await eventually(lambda: inbox(town, ann), TOLD_WITHIN_S)
    assert (accepted["type"], accepted["params"]["nickname"]) == ("FRIEND_ACCEPTED", bo.nickname)

    listed = await rest.get("/v1/notifications?pageSize=1", headers={"authorization": f"Bearer {bo.token}"})
    assert listed.json()["notifications"] == [asked]
    assert listed.json()["unreadCount"] == 1


@pytest.mark.requirement("DLV-06", "NET-42")
async def test_what_happens_while_the_notification_service_is_down_is_told_afterwards_and_once(
    town: Town, backend: Backend
) -> None:
    ann, bo = await town.person("Ann"), await town.person("Bo")
    await backend.halt("notification")
    await town.user.unary(f"{FRIENDS}/SendFriendRequest", {"userId": bo.user_id}, ann.token)
    await town.user.unary(f"{FRIENDS}/SendFriendRequest", {"userId": bo.user_id}, ann.token)
    backend.revive("notification")
    await backend.wait_ready("notification")
    (asked,) = await eventually(lambda: inbox(town, bo), TOLD_WITHIN_S)
    assert asked["type"] == "FRIEND_REQUEST"

    # Whatever is relayed after a later event must not bring the first one a second time.
    await town.befriend(await town.person("Cy"), bo)
    later = await eventually(lambda: _at_least(town, bo, 2), TOLD_WITHIN_S)
    assert [notification["type"] for notification in later] == ["FRIEND_REQUEST", "FRIEND_REQUEST"]


async def _at_least(town: Town, person: Person, count: int) -> list[dict[str, Any]]:
    listed = await inbox(town, person)
    return listed if len(listed) >= count else []


async def test_a_new_friendship_reaches_the_boards_of_both(town: Town) -> None:
    ann, bo = await town.person("Ann"), await town.person("Bo")
    await town.record(bo, 40)
    await town.befriend(ann, bo)
    await town.know_each_other(ann, 2)
    await town.know_each_other(bo, 2)
    assert (await town.board(ann))[0] == (1, bo.user_id, 40)
