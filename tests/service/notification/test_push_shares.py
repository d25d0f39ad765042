"""Many messages at once, or few that may be sent: one lane's do not hold up another's, and not all wait for ever."""

from pathlib import Path
from typing import Any

import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.notification.measures import Measures
from tests.service.notification.conftest import Office, event, noon, office_at, profile
from tests.service.notification.telling import counted, day, overtake
from tests.support.clock import FakeClock


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


@pytest.mark.requirement("DLV-11")
async def test_a_backlog_of_people_does_not_hold_up_standings_where_places_become_free_one_by_one(
    tmp_path: Path, mysql_url: str, redis_url: str
) -> None:
    async with office_at(tmp_path, mysql_url, redis_url, FakeClock(noon()), fcm_in_flight=4) as office:
        walker, crowd = new_uuid7(), [new_uuid7() for _ in range(40)]
        office.google.fcm.script.load({"denied": True})
        for number, user in enumerate([*crowd, walker]):
            await office.register(user, f"phone {number}", token=f"token-number-{number}")
        for user in crowd:
            await office.request_from(new_uuid7(), user)
        reached = {"walker": profile(walker), "date": f"{office.clock.now():%Y-%m-%d}", "daily_steps": 1}
        told = event(office.clock.now(), goal_reached=reached)
        await office.tell(told)
        await office.planned()
        office.google.fcm.script.load({"denied": False})
        await office.mended(41)
        assert [record.nid for record in office.google.accepted].index(told.event_id) < 20


@pytest.mark.requirement("DLV-11")
@pytest.mark.parametrize("limit", [{"fcm_a_second": 20}, {"fcm_in_flight": 1}], ids=str)
async def test_people_are_told_however_little_may_be_sent_at_once(
    tmp_path: Path, mysql_url: str, redis_url: str, limit: dict[str, Any]
) -> None:
    async with office_at(tmp_path, mysql_url, redis_url, FakeClock(noon()), **limit) as office:
        me = new_uuid7()
        await office.register(me, "mine")
        told = await office.request_from(new_uuid7(), me)
        assert [record.nid for record in await office.pushed(1)] == [told.event_id]
