"""From what people do to what their phones show: all services, and the FCM emulator at the end."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from firewalker.local.backend import Backend
from firewalker.runtime.mysql.literals import fill
from tests.support.databases import run_on
from tests.system.command_line import ended, started
from tests.system.people import FRIENDS, TOLD_WITHIN_S, Person, Town, eventually
from tests.system.phones import asked_for_friendship, shown, signed, with_phone


async def test_a_friend_request_rings_the_phone_of_who_was_asked(
    town: Town, backend: Backend, rest: httpx.AsyncClient
) -> None:
    ann, _, push = await asked_for_friendship(town, backend, rest)
    assert push["title"] == "친구 요청"
    assert push["body"] == f"{ann.nickname}님이 친구 요청을 보냈어요."
    async with httpx.AsyncClient(base_url=f"http://{backend.address('emulator')}") as page:
        assert ann.nickname in (await page.get("/")).text


@pytest.mark.requirement("FCM-22")
async def test_what_becomes_of_pushes_is_counted_and_how_far_behind_they_are_is_measured(
    town: Town, backend: Backend, rest: httpx.AsyncClient
) -> None:
    await asked_for_friendship(town, backend, rest)

    async def accepted() -> str:
        async with httpx.AsyncClient(base_url=f"http://{backend.address('notification', 'METRICS_PORT')}") as metrics:
            text = (await metrics.get("/metrics")).text
        return text if 'firewalker_deliveries_total{outcome="accepted",type="FRIEND_REQUEST"}' in text else ""

    text = await eventually(accepted, TOLD_WITHIN_S)
    for series in (
        'firewalker_pushes_planned_total{outcome="pushed",type="FRIEND_REQUEST"}',
        'firewalker_fcm_answers_total{code="accepted",kind="accepted"}',
        "firewalker_delivery_attempts_count",
        *(
            f'firewalker_push_queue_age_seconds{{lane="{lane}",stage="send"}}'
            for lane in ("security", "people", "standings")
        ),
        'firewalker_push_queue_due{lane="people",stage="plan"}',
        'firewalker_fcm_breaker_open{what="project"}',
        "firewalker_push_queue_crowded",
        "firewalker_pruning_halted",
    ):
        assert series in text, series


async def test_people_see_pushes_and_the_queue_on_the_command_line(
    town: Town, backend: Backend, rest: httpx.AsyncClient
) -> None:
    ann, _, _ = await asked_for_friendship(town, backend, rest)
    status, output, complaints = await ended(await started(backend, "pushes"))
    assert (status, complaints) == (0, "")
    assert ann.nickname in output.replace("\n", "")
    status, output, _ = await ended(await started(backend, "deliveries"))
    assert status == 0
    assert "to send" in output
    status, output, _ = await ended(await started(backend, "deliveries", "replay"))
    assert (status, output.strip()) == (0, "0 queued again")


async def test_what_is_pushed_while_the_service_is_killed_arrives_all_the_same(
    town: Town, backend: Backend, rest: httpx.AsyncClient
) -> None:
    ann, bo = await town.person("Ann"), await town.person("Bo")
    await with_phone(rest, bo)
    await backend.kill("notification")
    await town.user.unary(f"{FRIENDS}/SendFriendRequest", {"userId": bo.user_id}, ann.token)
    (push,) = await eventually(lambda: shown(backend, ann), 2 * TOLD_WITHIN_S)
    assert push["times"] == 1


async def test_who_signs_out_is_not_rung_any_more(town: Town, backend: Backend, rest: httpx.AsyncClient) -> None:
    ann, bo, cy = await town.person("Ann"), await town.person("Bo"), await town.person("Cy")
    for person in (bo, cy):
        await with_phone(rest, person)
    assert (await rest.get("/v1/devices", headers=signed(bo))).json()["devices"][0]["platform"] == "ANDROID"
    assert (await rest.post("/v1/auth/logout", json={}, headers=signed(bo))).status_code == 200
    assert await devices(backend, bo) == []
    for person in (bo, cy):
        await town.user.unary(f"{FRIENDS}/SendFriendRequest", {"userId": person.user_id}, ann.token)
    pushes = await eventually(lambda: shown(backend, ann), TOLD_WITHIN_S)
    assert len(pushes) == 1


async def devices(backend: Backend, person: Person) -> list[tuple[object, ...]]:
    url = backend.setting("notification", "MYSQL_URL")
    return await run_on(url, fill("SELECT 1 FROM device WHERE user_id = %s", (UUID(person.user_id).bytes,)))
